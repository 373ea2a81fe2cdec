// Reads files in a worker, so that checksums do not block the page. Used by reader.js.

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
