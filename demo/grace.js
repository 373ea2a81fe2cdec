// A deletion that can be undone for some seconds.

const GRACE_SECONDS = 10;

export class Grace {
  /** The time of the action (ms, as of Date.now()). */
  endsAt = Date.now() + GRACE_SECONDS * 1000;

  #action;
  #timer;

  /** Calls `action` after `GRACE_SECONDS`, or at once when the page is left. */
  constructor(action) {
    this.#action = action;
    this.#timer = setTimeout(this.#act, GRACE_SECONDS * 1000);
    addEventListener('pagehide', this.#act);
  }

  undo() {
    clearTimeout(this.#timer);
    removeEventListener('pagehide', this.#act);
  }

  #act = () => {
    this.undo();
    this.#action();
  };
}
