// Has stretches of files read by one worker for the whole page, or here where there is none.

import { Problem } from './problem.js';
import { inTime, readStretch } from './reading.js';

const waiting = new Map();
const PROBE_SECONDS_MAX = 7;

let starting = null;
let last = 0;

/**
 * Reads a stretch of `file`: see `readStretch`. Rejects with the Problem `file-changed`, or when `signal` aborts first:
 * a disk may think for long.
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

/** Looks whether a file is there still, and as long as it was. Rejects with the Problem `file-changed`. */
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

// The script of a worker must be of the page's own origin; one that is can import others.
async function startAny() {
  const url = new URL('worker.js', import.meta.url).href;
  if (new URL(url).origin === location.origin) return start(url);
  const script = new Blob([`import ${JSON.stringify(url)};`], { type: 'text/javascript' });
  return start(URL.createObjectURL(script));
}

// Resolves to null where the browser or a policy of the page does not let it run.
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
