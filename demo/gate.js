// A first-come, first-served semaphore. Browsers open at most six connections to one server, so the uploads of a page
// to one server share two semaphores.

export class Gate {
  #places;
  #inside = 0;
  #queue = [];

  constructor(places) {
    this.#places = places;
  }

  /**
   * Waits until fewer than `places` callers are inside. Returns the function that gives the place back. Rejects when
   * `signal` aborts first.
   */
  async enter(signal, places = this.#places) {
    signal?.throwIfAborted();
    if (this.#queue.length > 0 || this.#inside >= places) await this.#wait(signal, places);
    else this.#inside++;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#inside--;
      this.#admit();
    };
  }

  #admit() {
    while (this.#queue.length > 0 && this.#inside < this.#queue[0].places) {
      this.#inside++;
      this.#queue.shift().admit();
    }
  }

  #wait(signal, places) {
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1);
        reject(signal.reason);
        // The next caller may need fewer free places.
        this.#admit();
      };
      const admit = () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      };
      const waiting = { admit, places };
      this.#queue.push(waiting);
      signal?.addEventListener('abort', stop, { once: true });
    });
  }
}
