// A first-come, first-served semaphore. Browsers open at most six connections to one server, so the uploads of a page
// share two semaphores.

export class Gate {
  #free;
  #queue = [];

  constructor(places) {
    this.#free = places;
  }

  /** Waits for a place and returns the function that gives it back. Rejects when `signal` aborts first. */
  async enter(signal) {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      const next = this.#queue.shift();
      if (next) next();
      else this.#free++;
    };
  }

  #wait(signal) {
    return new Promise((resolve, reject) => {
      this.#queue.push(resolve);
      signal?.addEventListener('abort', () => {
        const at = this.#queue.indexOf(resolve);
        // Not in the queue: the place belongs to this caller already, and is given back later.
        if (at >= 0) this.#queue.splice(at, 1);
        reject(signal.reason);
      }, { once: true });
    });
  }
}
