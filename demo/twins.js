// Finds files that only look the same: a camera starts its numbers anew in each folder, and a copy keeps the time.

import { hex } from './crc32.js';
import { read } from './reader.js';

const STRETCH_BYTES = 16 * 1024 * 1024;

/**
 * Compares two files of the same size. Returns null if all bytes are equal, otherwise a text that is always the same
 * for `file`.
 */
export async function difference(file, other) {
  for (let start = 0; start < file.size; start += STRETCH_BYTES) {
    const stretch = { start, end: Math.min(start + STRETCH_BYTES, file.size) };
    const { crc } = await read(file, stretch);
    if (crc !== (await read(other, stretch)).crc) return hex(crc);
  }
  return null;
}
