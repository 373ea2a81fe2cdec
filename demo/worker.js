// Reads files beside the page, so that checksums do not hold it up. Asked by reader.js.

import { readStretch } from './reading.js';

addEventListener('message', async ({ data: { id, file, wanted } }) => {
  try {
    const stretch = await readStretch(file, wanted);
    postMessage({ id, stretch }, stretch.bytes ? [stretch.bytes.buffer] : []);
  } catch (error) {
    postMessage({ id, failure: String(error) });
  }
});

postMessage({ ready: true });
