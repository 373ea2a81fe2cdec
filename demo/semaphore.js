// A first-come, first-served semaphore. Browsers open at most six connections to one server, so the uploads of a page
// to one server share three semaphores.

export class Semaphore {
  #permits;
  #held = 0;
  #limit = Infinity;
  #queue = [];

  constructor(permits) {
    this.#permits = permits;
  }

  /** The permits that are held. */
  get held() {
    return this.#held;
  }

  /** The maximum of permits for all callers. A lower limit takes no permit away. */
  get limit() {
    return this.#limit;
  }

  set limit(permits) {
    this.#limit = permits;
    this.#admit();
  }

  /**
   * Waits until fewer than `permits` callers hold one. Returns the function that returns the permit. Rejects when
   * `signal` aborts first.
   */
  async acquire(signal, permits = this.#permits) {
    signal?.throwIfAborted();
    if (this.#queue.length > 0 || this.#held >= Math.min(permits, this.#limit)) await this.#wait(signal, permits);
    else this.#held++;
    let holds = true;
    return () => {
      if (!holds) return;
      holds = false;
      this.#held--;
      this.#admit();
    };
  }

  #admit() {
    while (this.#queue.length > 0 && this.#held < Math.min(this.#queue[0].permits, this.#limit)) {
      this.#held++;
      this.#queue.shift().admit();
    }
  }

  #wait(signal, permits) {
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1);
        reject(signal.reason);
        // The next caller may need fewer free permits.
        this.#admit();
      };
      const admit = () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      };
      const waiting = { admit, permits };
      this.#queue.push(waiting);
      signal?.addEventListener('abort', stop, { once: true });
    });
  }
}
