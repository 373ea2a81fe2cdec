// Reads a stretch of a file for its checksum. Run by worker.js, or by reader.js where there is no worker.

import { crc32 } from './crc32.js';

// After so long without a byte the read fails: Firefox waits for ever for the bytes of a removed file.
const SECONDS_MAX = 10;
const PART_BYTES = 1024 * 1024;

/**
 * Reads `start`..`end` of `file`: `{ start, end, crc, blocks, bytes }`, without `bytes` unless `keep`.
 * `blocks` are stretches within it, `{ place, start, end }`; each gets its checksum `crc`.
 * Rejects if the file has fewer bytes, or if no byte arrives for ten seconds.
 */
export async function readStretch(file, { start, end, keep = false, blocks = [] }) {
  // Not with a Blob: Chromium has little memory for Blobs, and frees it only at the next garbage collection.
  const bytes = keep ? new Uint8Array(end - start) : null;
  const checked = blocks.map((block) => ({ ...block, crc: 0 }));
  let crc = 0;
  let at = start;
  for await (const part of partsOf(file.slice(start, end))) {
    crc = crc32(part, crc);
    for (const block of checked) block.crc = crc32(part.subarray(...within(block, at)), block.crc);
    bytes?.set(part, at - start);
    at += part.length;
  }
  if (at !== end) throw new Error('the file has become shorter');
  return { start, end, crc, blocks: checked, bytes };
}

// Returns the range of a block in a part that begins at `at`, for `subarray`: a negative index would count from the end.
const within = ({ start, end }, at) => [Math.max(start - at, 0), Math.max(end - at, 0)];

// The part before is overwritten. In Chromium, reads into one buffer take a third of the time of reads into new ones.
async function* partsOf(blob) {
  const reader = readerOf(blob.stream());
  let buffer = new ArrayBuffer(PART_BYTES);
  try {
    while (true) {
      const { done, value } = await inTime(reader.read(new Uint8Array(buffer)));
      if (done) return;
      yield value;
      buffer = value.buffer;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Safari has no reader that takes a buffer. The one that it has ignores the buffer.
function readerOf(stream) {
  try {
    return stream.getReader({ mode: 'byob' });
  } catch {
    return stream.getReader();
  }
}

/** Waits for a read of a file for at most `seconds`. The time that the device sleeps does not count. */
export function inTime(reading, seconds = SECONDS_MAX) {
  let timer;
  const late = new Promise((_, reject) => {
    let left = seconds;
    // After a sleep, one timer for all seconds would end before the read.
    timer = setInterval(() => { if (--left === 0) reject(new Error('the file gives no bytes')); }, 1000);
  });
  return Promise.race([reading, late]).finally(() => clearInterval(timer));
}

/** Waits for a promise, or rejects when `signal` aborts first; without a signal, waits. */
export async function orAborted(promise, signal) {
  if (!signal) return promise;
  let stop;
  const aborted = new Promise((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
