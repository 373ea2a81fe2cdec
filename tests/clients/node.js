// node node.js ENDPOINT FILE STORAGE PROTOCOL: tus-js-client in Node. Uploads a file, from where an earlier run got to.
const fs = require("node:fs");
const path = require("node:path");
const tus = require("tus-js-client");

const [endpoint, file, storage, protocol] = process.argv.slice(2);

const upload = new tus.Upload(fs.createReadStream(file), {
  endpoint,
  protocol,
  metadata: { filename: path.basename(file) },
  urlStorage: new tus.FileUrlStorage(storage),
  onError(error) { throw error; },
});
upload.findPreviousUploads().then(([previous]) => {
  if (previous) upload.resumeFromPreviousUpload(previous);
  upload.start();
});
