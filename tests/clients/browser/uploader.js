// resumed-uploader in a worker of a page. The address of the page has the server.
const worker = new Worker("worker_of_test.js", { type: "module" });
worker.onmessage = ({ data }) => Object.assign(window, data);

document.querySelector("input").addEventListener("change", ({ target }) => {
  const server = new URLSearchParams(location.search).get("server");
  worker.postMessage({ file: target.files[0], server });
});
