// Reads stretches of files in one worker for the whole page, or in the page if no worker can run.

import { Problem } from './problem.js';
import { inTime, readStretch } from './reading.js';

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
    signal.throwIfAborted();
    throw new Problem('file-changed', { cause });
  }
}

async function orAborted(reading, signal) {
  let stop;
  const aborted = new Promise((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([reading, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Checks that a file still exists with the same size. Rejects with the Problem `file-changed`. */
export async function probe(file) {
  try {
    const last = await inTime(file.slice(-1).arrayBuffer(), PROBE_SECONDS_MAX);
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

// The script of a worker must have the origin of the page; it can import scripts of other origins.
async function startAny() {
  const url = new URL('worker.js', import.meta.url).href;
  if (new URL(url).origin === location.origin) return start(url);
  const script = new Blob([`import ${JSON.stringify(url)};`], { type: 'text/javascript' });
  return start(URL.createObjectURL(script));
}

// Resolves to null if the browser, or a policy of the page, does not allow the worker.
function start(url) {
  return new Promise((resolve) => {
    try {
      const worker = new Worker(url, { type: 'module' });
      worker.onerror = () => resolve(null);
      worker.onmessage = ({ data }) => (data.ready ? resolve(worker) : hear(data));
    } catch {
      resolve(null);
    }
  });
}
