// Reads stretches of files in one worker for the whole page. Without a page, or if no worker can run, reads them here.

import { Problem } from './problem.js';
import { inTime, orAborted, readStretch } from './reading.js';

const waiting = new Map();
const PROBE_SECONDS_MAX = 7;

let starting = null;
let last = 0;

/**
 * Reads a stretch of `file`: see `readStretch`. Rejects with the Problem `file-changed`, or if `signal` aborts first: a
 * disk may be slow.
 */
export async function read(file, wanted, signal) {
  starting ??= startAny();
  const worker = await starting;
  const reading = worker ? ask(worker, file, wanted) : readStretch(file, wanted);
  try {
    return await orAborted(reading, signal);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new Problem('file-changed', { cause });
  }
}

/** Checks that a file still exists with the same size. Rejects with the Problem `file-changed`. */
export async function probe(file) {
  try {
    // Chromium gives a missing file the size 0, and an error only for a read without a slice.
    const end = file.size > 0 ? file.slice(-1) : file;
    const last = await inTime(end.arrayBuffer(), PROBE_SECONDS_MAX);
    if (file.size > 0 && last.byteLength === 0) throw new Error('the file has become shorter');
  } catch (cause) {
    throw new Problem('file-changed', { cause });
  }
}

function ask(worker, file, wanted) {
  return new Promise((resolve, reject) => {
    const id = ++last;
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, file, wanted });
  });
}

function hear({ id, stretch, failure }) {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (stretch) resolve(stretch);
  else reject(new Error(failure));
}

// Resolves to null where reading disturbs no page: in a worker, and in Node.
async function startAny() {
  if (!globalThis.document) return null;
  const url = new URL('./worker.js', import.meta.url);
  // Bundlers find the script of the worker by this expression.
  const open = () => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  if (url.origin === location.origin) return start(open);
  // The script of a worker must have the origin of the page; it can import scripts of other origins.
  const script = new Blob([`import ${JSON.stringify(url.href)};`], { type: 'text/javascript' });
  const address = URL.createObjectURL(script);
  return start(() => new Worker(address, { type: 'module' })).finally(() => URL.revokeObjectURL(address));
}

// Resolves to null if the browser, or a policy of the page, does not allow the worker.
function start(open) {
  return new Promise((resolve) => {
    try {
      const worker = open();
      worker.onerror = () => resolve(null);
      worker.onmessage = ({ data }) => (data.ready ? resolve(worker) : hear(data));
    } catch {
      resolve(null);
    }
  });
}
