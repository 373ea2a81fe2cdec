// One request with a body. `xhr.upload.onprogress` counts the bytes that the socket took, not those on the server, and
// fetch counts nothing. So this module asks the server for the offset once a second, over a second connection.

import { SECONDS_LIMIT, SIZE_MIN } from './plan.js';
import { Problem } from './problem.js';
import { probe } from './reader.js';

const WATCH_MS = 1000;
const STALL_SECONDS = 30;
const SILENT_SECONDS = 2;
const PROBE_MS = 2000;

/**
 * Sends a `part` of the file of `upload`, from `start` on. The part has a `body`, its `size`, and the `digest` for
 * `wire.post`. Resolves to the server's answer `{ held, complete, .. }`, or to null if the request was ended early and
 * the caller should ask and go on.
 * `isUnasked`: the offset was not asked for, so a conflict is normal. `onHeld(bytes)` is called as bytes arrive,
 * `onBuffering()` when a proxy holds them back.
 */
export async function send({ wire, upload, start, part, isUnasked, signal, onHeld, onBuffering }) {
  const { body, size, digest } = part;
  const watch = new Watch({ wire, upload, start, size, onHeld, onBuffering });
  const stop = () => watch.end(signal.reason);
  signal.addEventListener('abort', stop);
  try {
    watch.start();
    const answer = await wire.post(upload, {
      start, body, digest, signal: watch.signal, onSent: (sent) => watch.progress(sent),
    });
    // A conflict after bytes went out is mostly a reset: Chromium repeats a POST by itself when a connection that it
    // had used before is cut, and the server refuses the copy.
    if (!answer.conflict && !answer.mismatch) wire.plan.succeeded(size, watch.seconds());
    else if (answer.conflict && watch.sent > 0 && !isUnasked) watch.reset();
    return answer;
  } catch (error) {
    return afterwards(error, watch, wire);
  } finally {
    watch.close();
    signal.removeEventListener('abort', stop);
  }
}

// Adapts the plan to a failure. Returns null if the upload may continue at once.
function afterwards(error, watch, { plan, countsSent }) {
  if (error === watch.outOfTime) plan.ended(watch.sent, watch.seconds());
  if (error === watch.outOfTime || error === watch.backOnline) return null;
  if (error.kind === 'proxy-limit' && plan.refused(watch.size)) return null;
  // A proxy that buffers may have taken all that a slow link carries, and nothing counts that.
  if (error.kind === 'stalled' && !countsSent) plan.ended(watch.sent, watch.seconds());
  const cut = error.kind === 'gone' || error.kind === 'stalled';
  if (cut && watch.sent > 0) watch.reset();
  throw error;
}

class Watch {
  sent = 0;
  // Reasons to end a request here: the upload continues at once.
  outOfTime = new Error('the request took too long');
  backOnline = new Error('the connection is back, this one is the old one');

  #ending = new AbortController();
  #began = performance.now();
  #moved = this.#began;
  #held = 0;
  #suspicious = false;

  constructor({ wire, upload, start, size, onHeld, onBuffering }) {
    Object.assign(this, { wire, upload, from: start, size, onHeld, onBuffering });
    this.signal = this.#ending.signal;
  }

  start() {
    this.timer = setInterval(() => this.#look(), WATCH_MS);
    globalThis.addEventListener?.('online', this.#online);
    this.#ask();
    this.#probe();
  }

  close() {
    clearInterval(this.timer);
    globalThis.removeEventListener?.('online', this.#online);
    this.end(new Error('the request is over'));
  }

  end(reason) {
    this.#ending.abort(reason);
  }

  seconds() {
    return (performance.now() - this.#began) / 1000;
  }

  reset() {
    this.wire.plan.reset(this.#began, performance.now());
  }

  progress(sent) {
    if (sent <= this.sent) return;
    this.sent = sent;
    this.#moved = performance.now();
  }

  // After a change of network the old connection is silent, and no error tells so.
  #online = () => {
    if (this.#still() > SILENT_SECONDS) this.end(this.backOnline);
  };

  #still() {
    return (performance.now() - this.#moved) / 1000;
  }

  #look() {
    if (this.#still() > STALL_SECONDS) this.end(new Problem('stalled'));
    const late = this.seconds() > SECONDS_LIMIT && this.sent < this.size;
    if (late && this.size > SIZE_MIN) this.end(this.outOfTime);
  }

  async #ask() {
    let pause = WATCH_MS;
    while (await this.#rest(pause)) {
      const asked = performance.now();
      const [seconds, sent] = [this.seconds(), this.sent];
      // A failed question has no meaning: the request itself reports the problem.
      const status = await this.wire.status(this.upload.id, this.signal).catch(() => null);
      if (this.signal.aborted) return;
      if (status) this.#arrived(Math.min(status.held - this.from, this.size), seconds, sent);
      // The server syncs its disk before it answers. If that is slow, it is asked less often.
      pause = Math.max(WATCH_MS, (performance.now() - asked) * 3);
    }
  }

  // The browser may have read the bytes before it sends them: this check finds early that the file was removed.
  async #probe() {
    while (await this.#rest(PROBE_MS)) await probe(this.upload.file).catch((problem) => this.end(problem));
  }

  #arrived(held, seconds, sent) {
    const { plan } = this.wire;
    if (plan.watched(seconds, { size: this.size, sent, held }) && !this.#suspicious) {
      this.#suspicious = true;
      if (plan.strike()) this.onBuffering();
    }
    if (held <= this.#held) return;
    this.#held = held;
    this.#moved = performance.now();
    if (!this.wire.countsSent) this.sent = held;
    this.onHeld(this.from + held);
  }

  #rest(ms) {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.signal.removeEventListener('abort', done);
        resolve(!this.signal.aborted);
      };
      const timer = setTimeout(done, ms);
      this.signal.addEventListener('abort', done);
    });
  }
}
