// Uppy with its tus plugin, as its documentation shows it. `globalThis.tusOptions` may have more options of the plugin.
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";

const uppy = new Uppy({ autoProceed: true }).use(Tus, { endpoint: `${location.origin}/files`, ...globalThis.tusOptions });
uppy.on("complete", ({ failed }) => { globalThis.outcome = failed.length === 0 ? "complete" : `${failed.length} failed`; });

document.body.insertAdjacentHTML("beforeend", "<input id=bench type=file multiple>");
document.querySelector("#bench").addEventListener("change", ({ target }) => {
  uppy.addFiles([...target.files].map((data) => ({ name: data.name, type: data.type, data })));
});
