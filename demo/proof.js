// Collects the checksums of the stretches of a file, and combines them to that of the whole. Pure: it reads nothing.
//
// A stretch that this page sends is read for its checksum meanwhile. All other stretches, such as those sent before a
// reload, are read later. If the sent bytes are others than the read ones, the server finds another checksum.

import { combined } from './crc32.js';

/** The length of the last part of a file. It is sent after all bytes before it have been checked. */
export const LAST_WINDOW = 64 * 1024;

const STRETCH_MAX = 16 * 1024 * 1024;
const BLOCKS = 32;
const BLOCK_BYTES = 64 * 1024;

export class Proof {
  /** Known stretches `{ start, end, crc }`, in order of `start`; adjacent ones are merged. */
  #known = [];
  /** Blocks that were sent, by their number. */
  #blocks = new Map();
  #places;

  /** Prepares the proof of a file of `size` bytes. `random()` is in 0..1. */
  constructor(size, random = Math.random) {
    // The first block is always checked: many changes are at the start of a file.
    this.#places = Array.from({ length: BLOCKS }, (_, n) => Math.floor((n && n + random()) * size / BLOCKS));
  }

  /** Returns the blocks within `start`..`end` that have to be checked later. */
  blocksIn(start, end) {
    return this.#places.map((at, place) => ({ place, start: at, end: Math.min(at + BLOCK_BYTES, end) }))
      .filter((block) => start <= block.start && block.start < end);
  }

  /** The blocks that are read again before the last part is sent: their checksums must not have changed. */
  get blocks() {
    return [...this.#blocks.values()];
  }

  /** Adds a stretch that was read; one with blocks was also sent. Ignores a stretch that overlaps another. */
  add({ start, end, crc, blocks = [] }) {
    if (start === end || this.#known.some((other) => start < other.end && other.start < end)) return;
    for (const block of blocks) this.#blocks.set(block.place, block);
    this.#known.push({ start, end, crc });
    this.#known.sort((one, other) => one.start - other.start);
    this.#known = this.#known.reduce(joined, []);
  }

  /** Removes all stretches beyond `held`: the server does not hold their bytes, so they are sent again. */
  cut(held) {
    this.#known = this.#known.filter(({ end }) => end <= held);
  }

  /** Returns the first unknown stretch of the first `held` bytes, or null. */
  gap(held) {
    const first = this.#known[0];
    const start = first?.start === 0 ? first.end : 0;
    const end = Math.min(held, start + STRETCH_MAX, this.#known.find((other) => other.start >= start)?.start ?? held);
    return start < end ? { start, end } : null;
  }

  /** Returns the checksum of the first `held` bytes. All of them must be known. */
  crc(held) {
    return held === 0 ? 0 : this.#known.find(({ start, end }) => start === 0 && end === held).crc;
  }
}

function joined(known, next) {
  const before = known.at(-1);
  if (before?.end !== next.start) return [...known, next];
  const crc = combined(before.crc, next.crc, next.end - next.start);
  return [...known.slice(0, -1), { start: before.start, end: next.end, crc }];
}
