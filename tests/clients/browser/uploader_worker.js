import { Uploader } from "./node_modules/resumed-uploader/uploader.js";

addEventListener("message", async ({ data: { file, server } }) => {
  const uploader = new Uploader({ file, server });
  const isComplete = await uploader.upload();
  postMessage({ isComplete, savedAs: uploader.savedAs });
});
