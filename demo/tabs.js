// Tells the other tabs of this browser which files this tab sends.

/** A tab repeats its files after this time. */
const REPEAT_MS = 20_000;
/** A tab that was silent for this time has crashed. A browser runs the timers of a hidden tab once a minute. */
const EXPIRE_MS = 150_000;

export class Tabs {
  #channel = null;
  #clock;
  #ids = [];
  #postedAt = 0;
  /** By tab: the ids of its files, and the time of its message (ms). */
  #others = new Map();
  #self = Math.random();

  /**
   * `server` is the whole address of a server. `onChange()` is called when another tab begins or ends. `clock()` returns
   * ms.
   */
  constructor(server, onChange, clock = Date.now) {
    this.#clock = clock;
    if (!globalThis.BroadcastChannel) return;
    this.#channel = new BroadcastChannel(`resumed ${server}`);
    this.#channel.onmessage = ({ data: { tab, ids, asks } }) => {
      if (ids.length > 0) this.#others.set(tab, { ids: new Set(ids), at: this.#clock() });
      else this.#others.delete(tab);
      if (asks && this.#ids.length > 0) this.#post(this.#ids);
      onChange();
    };
    this.#channel.postMessage({ tab: this.#self, ids: [], asks: true });
    addEventListener('pagehide', () => this.#post([]));
    addEventListener('pageshow', () => this.#post(this.#ids));
  }

  /** Returns whether another tab sends the file. */
  send(id) {
    return this.#living.some(({ ids }) => ids.has(id));
  }

  /** True if another tab sends files. */
  get isAnySending() {
    return this.#living.length > 0;
  }

  get #living() {
    const first = this.#clock() - EXPIRE_MS;
    return [...this.#others.values()].filter(({ at }) => at > first);
  }

  /** Sets the files that this tab sends; called several times a second. */
  set(ids) {
    const isSame = ids.length === this.#ids.length && ids.every((id, at) => id === this.#ids[at]);
    const isDue = ids.length > 0 && this.#clock() - this.#postedAt >= REPEAT_MS;
    if (isSame && !isDue) return;
    this.#ids = ids;
    this.#post(ids);
  }

  #post(ids) {
    this.#postedAt = this.#clock();
    this.#channel?.postMessage({ tab: this.#self, ids });
  }
}
