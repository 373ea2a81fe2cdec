// The places of unfinished uploads on a server, which refuses a new upload beside too many of them. The page then begins
// fewer at once: a refusal lowers the limit, and each complete upload raises it by one.

import { Semaphore } from './semaphore.js';

export class Places {
  /** The number of uploads that have ended. Each may have left a place to another one. */
  ended = 0;

  #taken;
  #refused = new Set();

  /** At most `permits` uploads of the page have a place, unless the caller of `take` wants another number. */
  constructor(permits) {
    this.#taken = new Semaphore(permits);
  }

  /** Waits for a place, among those of `permits` uploads. Returns the function that returns the place. */
  take(signal, permits) {
    return this.#taken.acquire(signal, permits);
  }

  /** The server has refused `upload`, which has a place. When another upload ends, `upload.wake()` is called. */
  refuse(upload) {
    this.#refused.add(upload);
    this.#taken.limit = Math.max(1, this.#taken.held - this.#refused.size);
  }

  /** The refused upload asks again, or stops. */
  leave(upload) {
    this.#refused.delete(upload);
  }

  /** An upload is complete. */
  complete() {
    this.#taken.limit++;
    this.end();
  }

  /** An upload is complete, or deleted. */
  end() {
    this.ended++;
    for (const upload of this.#refused) upload.wake();
  }
}
