// Tells the other tabs of this browser which files this tab sends.

export class Tabs {
  #channel = null;
  #ids = [];
  /** By tab: the ids of its files. */
  #others = new Map();
  #self = Math.random();

  /** `server` is the whole address of a server. `onChange()` is called when another tab begins or ends. */
  constructor(server, onChange) {
    if (!globalThis.BroadcastChannel) return;
    this.#channel = new BroadcastChannel(`resumed ${server}`);
    this.#channel.onmessage = ({ data: { tab, ids, asks } }) => {
      if (ids.length > 0) this.#others.set(tab, new Set(ids));
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
    return [...this.#others.values()].some((ids) => ids.has(id));
  }

  /** Sets the files that this tab sends. */
  set(ids) {
    if (ids.length === this.#ids.length && ids.every((id, at) => id === this.#ids[at])) return;
    this.#ids = ids;
    this.#post(ids);
  }

  #post(ids) {
    this.#channel?.postMessage({ tab: this.#self, ids });
  }
}
