// tus-js-client in a browser. Which server and which protocol stands in the page's address.
import * as tus from "tus-js-client";

const { endpoint, protocol } = Object.fromEntries(new URLSearchParams(location.search));

document.querySelector("input").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  const upload = new tus.Upload(file, {
    endpoint,
    protocol,
    metadata: { filename: file.name },
    onSuccess() { window.isComplete = true; },
  });
  upload.findPreviousUploads().then(([previous]) => {
    if (previous) upload.resumeFromPreviousUpload(previous);
    upload.start();
  });
  window.abort = () => upload.abort();
});
