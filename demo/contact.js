// The contact of one upload with the server: it has been lost, or nothing arrives. Pure: no clock.

const SILENT_SECONDS = 5;

export class Contact {
  /** True from a request without an answer to the next answer. */
  isLost = false;
  /** True if bytes of the file were sent. */
  hasSent = false;

  #isSending = false;
  #held = 0;
  #movedAt = 0;

  /** The upload entered this state at the time `seconds`. */
  enter(state, problem, seconds) {
    if (state === 'retrying') this.isLost = problem.kind === 'gone' || problem.kind === 'offline';
    // The next try is still without an answer.
    else if (state !== 'waiting' && state !== 'checking') this.isLost = false;
    if (state === 'sending') this.hasSent = true;
    if (state === 'sending' && !this.#isSending) this.#movedAt = seconds;
    this.#isSending = state === 'sending';
  }

  /** The server holds `held` bytes at the time `seconds`. */
  move(held, seconds) {
    if (held !== this.#held) this.#movedAt = seconds;
    this.#held = held;
  }

  /** Returns whether bytes are sent, and none has arrived for some seconds. */
  isSilent(size, seconds) {
    return this.#isSending && this.#held < size && seconds - this.#movedAt >= SILENT_SECONDS;
  }
}
