/*
Resumable uploads from a browser.

    import { Uploader } from './uploader.js';

    const uploader = new Uploader({
      file: input.files[0],
      onProgress: (held, total) => { bar.value = held / total; },
    });
    try {
      if (await uploader.upload()) console.log('the server has the whole file');
      else console.log('stopped; upload() again goes on from there');
    } catch (problem) {
      console.log(problem.kind, problem.message);
    }

`upload()` asks the server how much of this file it holds, makes sure that those bytes are the file's own, and sends
the rest. A lost connection is no error: it waits, asks again and goes on, for as long as it takes. It throws only what
waiting cannot mend, such as a full disk. After a reload, a new Uploader for the same file carries on.

new Uploader(options):

    file         a File (from an input or a drop)
    path         where the server puts it, with its name: 'trip/a.jpg'; else the path in the folder that was chosen,
                 where one was, or its name
    onProgress   (held, total): bytes that the server holds; never merely "handed to the network"
    onState      (state, problem): see below; `problem` comes with `retrying` and `failed`
    onNotice     (kind): 'different': the server held other bytes under this name, size and time, and the upload
                 starts over; 'buffering': a proxy in front of the server holds uploads back
    server       address of the server; empty or relative: seen from the page. Another origin needs --allow-origin there
    headers      further request headers, an object or a function that returns one: { Authorization: 'Basic ..' }

methods:

    upload()           resolves to true when complete, to false when stopped; throws a Problem (kind, message, said)
    stop()             ends the requests under way; the server keeps what it has
    cancel()           stops, and tells the server to forget what it has; throws a Problem if that fails
    sendAgain()        makes the server forget, then uploads from the first byte
    wake()             ends a pause before the next try
    getUploadedBytes() asks the server how many bytes it holds

fields: file, path, id, held, state, problem, retryAt (ms, as of Date.now(), while `retrying`)

states:

    waiting     for its turn: three uploads run at a time      complete   sent, the server has the whole file
    checking    asks what the server holds                     already    the server had it before we began
    sending     bytes are on their way                         failed     `problem` says why
    retrying    waits after `problem`, then tries again        cancelled  the server was told to forget it
    paused      stopped, or not started
*/

import { crc32 } from './crc32.js';
import { Gate } from './gate.js';
import { pauseSeconds } from './plan.js';
import { Problem } from './problem.js';
import { send } from './sending.js';
import { fileId, Wire } from './wire.js';

// With one question about the state, and the page's about what others send, five of the six connections that a browser
// opens to a server.
const uploadGate = new Gate(3);
const CONFLICTS_NORMAL = 5;
const RESTARTS_MAX = 2;

export class Uploader {
  held = 0;
  state = 'paused';
  problem = null;
  retryAt = 0;

  #options;
  #wire;
  #stopping = new AbortController();
  #running = null;
  #wake = () => {};
  #tookPart = false;
  #afresh = false;
  #failures = 0;
  #conflicts = 0;
  #restarts = 0;

  constructor(options) {
    this.#options = options;
    this.file = options.file;
    // macOS takes names apart (NFD): without this, one Korean name would have two ids.
    this.path = (options.path || this.file.webkitRelativePath || this.file.name).normalize('NFC');
    this.id = fileId(this.path, this.file);
    this.#wire = new Wire(options.server, options.headers);
  }

  upload() {
    return this.#begin();
  }

  sendAgain() {
    this.stop();
    this.#afresh = true;
    return this.#begin();
  }

  stop() {
    this.#stopping.abort(new DOMException('stopped', 'AbortError'));
  }

  async cancel() {
    this.stop();
    await this.#running?.catch(() => {});
    await this.#wire.forget(this.id).finally(() => this.#enter('cancelled'));
  }

  wake() {
    this.#wake();
  }

  async getUploadedBytes() {
    return (await this.#wire.status(this.id)).held;
  }

  #begin() {
    const busy = this.#running && !this.#stopping.signal.aborted;
    if (busy) return this.#running;
    this.#stopping = new AbortController();
    const run = this.#run(this.#running, this.#stopping.signal);
    this.#running = run;
    const forget = () => { if (this.#running === run) this.#running = null; };
    run.then(forget, forget);
    return run;
  }

  async #run(before, signal) {
    await before?.catch(() => {});
    let leave;
    try {
      this.#enter('waiting');
      this.#failures = this.#conflicts = this.#restarts = 0;
      leave = await uploadGate.enter(signal);
      while (!await this.#attempt(signal).catch((error) => this.#afterFailure(error, signal)));
      return true;
    } catch (error) {
      if (signal.aborted) {
        this.#enter('paused');
        return false;
      }
      this.#enter('failed', error);
      throw error;
    } finally {
      leave?.();
    }
  }

  /** One try, from the question to the end. Returns false when it is to be repeated at once. */
  async #attempt(signal) {
    this.#enter('checking');
    if (this.#afresh) await this.#startOver(signal);
    const status = await this.#wire.status(this.id, signal);
    if (!await this.#isOurs(status)) {
      if (++this.#restarts > RESTARTS_MAX) throw new Problem('different');
      this.#notice('different');
      await this.#startOver(signal);
    } else {
      this.#moveTo(status.held);
      if (status.complete) return this.#finish(this.#tookPart ? 'complete' : 'already');
    }
    return this.#sendFrom(signal);
  }

  async #sendFrom(signal) {
    this.#tookPart = true;
    // Declares size, name and time with no body, so that a refusal comes before any byte is sent.
    let answer = await this.#wire.post(this, { start: this.held, body: null, signal });
    while (true) {
      if (answer === null) return false;
      if (answer.conflict) return this.#yield(answer.held, signal);
      const stuck = answer.held === this.held && this.held === this.file.size;
      this.#moveTo(answer.held);
      if (answer.complete) return this.#finish('complete');
      // The server has every byte, and yet does not call the file complete.
      if (stuck || answer.held > this.file.size) throw new Problem('strange');
      answer = await this.#sendSome(signal);
    }
  }

  async #sendSome(signal) {
    this.#enter('sending');
    const start = this.held;
    const answer = await send({
      wire: this.#wire, upload: this, start, signal,
      onHeld: (held) => this.#moveTo(held),
      onBuffering: () => this.#notice('buffering'),
    });
    if (answer && !answer.conflict) {
      if (answer.held <= start) throw new Problem('strange');
      this.#conflicts = this.#restarts = 0;
    }
    return answer;
  }

  // A 409. Once or twice is normal: the rest of a cut request may still be arriving. Again and again means that
  // somebody else sends the same file, and two who take turns at taking over would both be slow.
  async #yield(held, signal) {
    this.#moveTo(held);
    if (++this.#conflicts > CONFLICTS_NORMAL) throw new Problem('elsewhere');
    await this.#pause((this.#conflicts - 1) / 2, signal);
    return false;
  }

  /** Whether what the server holds is the beginning of this file, by a checksum of its last bytes. */
  async #isOurs({ held, complete, tail }) {
    if (held > this.file.size || (complete && held < this.file.size)) return false;
    if (held === 0) return true;
    // A complete file may have been moved on by the server's hook, so that there is nothing left to compare.
    if (!tail) return complete;
    if (tail.length > held) return false;
    const bytes = await this.file.slice(held - tail.length, held).arrayBuffer().catch(fileChanged);
    return crc32(new Uint8Array(bytes)) === tail.crc;
  }

  async #startOver(signal) {
    await this.#wire.forget(this.id, signal);
    this.#afresh = this.#tookPart = false;
    this.#moveTo(0);
  }

  #finish(state) {
    this.#moveTo(this.file.size);
    this.#enter(state);
    return true;
  }

  /** Throws what stays, waits after what passes. */
  async #afterFailure(error, signal) {
    signal.throwIfAborted();
    if (!(error instanceof Problem)) throw error;
    if (!error.passes) throw error;
    // A file that changed on disk looks like a lost connection to XMLHttpRequest.
    await this.file.slice(this.held, this.held + 1).arrayBuffer().catch(fileChanged);
    // While somebody else sends the file, bytes arrive, but not ours: that does not make the pauses short again.
    const failures = error.kind === 'elsewhere' ? this.#conflicts - CONFLICTS_NORMAL : ++this.#failures;
    const seconds = Math.max(pauseSeconds(failures, Math.random()), error.afterSeconds);
    this.retryAt = Date.now() + seconds * 1000;
    this.#enter('retrying', error);
    await this.#pause(seconds, signal);
    return false;
  }

  #pause(seconds, signal) {
    return new Promise((resolve, reject) => {
      const seen = () => document.visibilityState === 'visible' && done();
      const stopped = () => { done(); reject(signal.reason); };
      const done = () => {
        clearTimeout(timer);
        removeEventListener('online', done);
        document.removeEventListener('visibilitychange', seen);
        signal.removeEventListener('abort', stopped);
        this.#wake = () => {};
        if (!signal.aborted) resolve();
      };
      const timer = setTimeout(done, seconds * 1000);
      addEventListener('online', done);
      document.addEventListener('visibilitychange', seen);
      signal.addEventListener('abort', stopped);
      this.#wake = done;
    });
  }

  #moveTo(held) {
    if (held > this.held) this.#failures = 0;
    this.held = Math.min(held, this.file.size);
    this.#options.onProgress?.(this.held, this.file.size);
  }

  #enter(state, problem = null) {
    this.state = state;
    this.problem = problem;
    this.#options.onState?.(state, problem);
  }

  #notice(kind) {
    this.#options.onNotice?.(kind);
  }
}

function fileChanged(cause) {
  throw new Problem('file-changed', { cause });
}
