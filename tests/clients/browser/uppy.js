// Uppy with its tus plugin. Which server stands in the page's address.
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";

const { endpoint } = Object.fromEntries(new URLSearchParams(location.search));

const uppy = new Uppy({ autoProceed: true }).use(Tus, { endpoint });
uppy.on("upload-success", () => { window.isComplete = true; });

document.querySelector("input").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  uppy.addFile({ name: file.name, type: file.type, data: file });
  window.abort = () => uppy.pauseAll();
});
