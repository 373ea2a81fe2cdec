// What is known of the checksum of a whole file, stretch by stretch. Pure: it reads nothing.
//
// A stretch that this page has sent is known by the bytes that were sent. All others, such as those sent before a
// reload, have to be read.

import { combined } from './crc32.js';

/** The end of a file that is sent last, when all before it has been checked. */
export const LAST_WINDOW = 64 * 1024;

const STRETCH_MAX = 16 * 1024 * 1024;
const BLOCKS = 32;
const BLOCK_BYTES = 64 * 1024;

export class Proof {
  /** Known stretches `{ start, end, crc }` in their order; none touches another. */
  #known = [];
  /** Blocks that were sent, by their place. */
  #blocks = new Map();
  #places;

  /** Of a file of `size` bytes; `random()` is in 0..1. */
  constructor(size, random = Math.random) {
    // The first bytes of a file are changed most.
    this.#places = Array.from({ length: BLOCKS }, (_, n) => Math.floor((n && n + random()) * size / BLOCKS));
  }

  /** The blocks to be checked of what is about to be sent. */
  blocksIn(start, end) {
    return this.#places.map((at, place) => ({ place, start: at, end: Math.min(at + BLOCK_BYTES, end) }))
      .filter((block) => start <= block.start && block.start < end);
  }

  /** What is read again before the end is sent: what it gives is to be the same. */
  get blocks() {
    return [...this.#blocks.values()];
  }

  /** A stretch has been read; and sent, if it has blocks. What overlaps another is not taken. */
  add({ start, end, crc, blocks = [] }) {
    if (start === end || this.#known.some((other) => start < other.end && other.start < end)) return;
    for (const block of blocks) this.#blocks.set(block.place, block);
    this.#known.push({ start, end, crc });
    this.#known.sort((one, other) => one.start - other.start);
    this.#known = this.#known.reduce(joined, []);
  }

  /** The server holds no more than `held` bytes: what lies beyond comes anew. */
  cut(held) {
    this.#known = this.#known.filter(({ end }) => end <= held);
  }

  /** The next stretch of the first `held` bytes that is not known, or null. */
  gap(held) {
    const first = this.#known[0];
    const start = first?.start === 0 ? first.end : 0;
    const end = Math.min(held, start + STRETCH_MAX, this.#known.find((other) => other.start >= start)?.start ?? held);
    return start < end ? { start, end } : null;
  }

  /** The checksum of the first `held` bytes, all of which are known. */
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
