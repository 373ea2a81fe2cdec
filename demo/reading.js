// Reads a stretch of a file into memory, with its checksum. Run by worker.js, or by reader.js where there is no worker.

import { crc32 } from './crc32.js';

// A disk that gives nothing for so long has lost the file: Firefox waits for ever for bytes that are gone.
const SECONDS_MAX = 10;

/**
 * Reads `start`..`end` of `file`: `{ start, end, crc, blocks, bytes }`, without `bytes` unless `keep`.
 * `blocks` are the stretches within it of which the checksums are wanted, too: `{ place, start, end }`, and then `crc`.
 * Rejects when the file has fewer bytes, or gives none for ten seconds.
 */
export async function readStretch(file, { start, end, keep = false, blocks = [] }) {
  // No Blob: Chromium has room for few of them, and takes none back before the next collection of garbage.
  const bytes = keep ? new Uint8Array(end - start) : null;
  let crc = 0;
  let at = start;
  for await (const part of partsOf(file.slice(start, end))) {
    crc = crc32(part, crc);
    bytes?.set(part, at - start);
    at += part.length;
  }
  if (at !== end) throw new Error('the file has become shorter');
  const checked = blocks.map((block) => (
    { ...block, crc: crc32(bytes.subarray(block.start - start, block.end - start)) }));
  return { start, end, crc, blocks: checked, bytes };
}

async function* partsOf(blob) {
  const reader = blob.stream().getReader();
  try {
    while (true) {
      const { done, value } = await inTime(reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Waits for what is read of a file, but not for longer than this. */
export function inTime(reading, seconds = SECONDS_MAX) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('the file gives no bytes')), seconds * 1000);
  });
  return Promise.race([reading, late]).finally(() => clearTimeout(timer));
}
