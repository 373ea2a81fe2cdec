/*
Resumable uploads from a browser, a worker or Node.

    import { Uploader } from './uploader.js';

    const uploader = new Uploader({
      file: input.files[0],
      onProgress: (held, total) => { bar.value = held / total; },
    });
    try {
      if (await uploader.upload()) console.log('the server has the whole file as', uploader.savedAs);
      else console.log('stopped; upload() continues it');
    } catch (problem) {
      console.log(problem.kind, problem.message);
    }

`upload()` asks the server for the offset of this file, and sends the rest. The last bytes come with the checksum of the
whole file. If the checksums differ, the server publishes nothing, and the whole file is sent again. After a lost
connection `upload()` waits, asks again and continues, without a time limit. It throws only problems that waiting does
not solve, such as a full disk. After a reload, a new Uploader for the same file continues the upload: its id consists
of path, size and time.

new Uploader(options) throws a TypeError for a wrong option:

    file          a File (from an input or a drop) or a Blob
    name          name of the file: a Blob has none and needs this option
    lastModified  time of the file in ms since 1970. Default: the time of the File; a Blob gets the time of its upload
    path          its path on the server, with the name: 'trip/a.jpg'. Default: the path in the chosen folder, or the
                  name
    copy          a text. The server keeps uploads of one file with different texts as separate files: 'a (1).jpg'
    server        address of the server. Default: the folder of the page. Another origin needs --allow-origin there
    headers       further request headers: an object, or a function that returns one or a promise of one. If it throws a
                  Problem that passes, the upload tries again later
    chunkBytes    maximum bytes in the body of one request. Default: adapted to the link, at most 64 MiB
    concurrency   this upload waits while so many uploads to its server run. Default: 5
    retry         false: throw a problem instead of waiting; or a function (problem, failures) that returns true to try
                  again. `failures` is the number of failures since the last progress. Default: true
    signal        an AbortSignal: stops the upload; upload() then throws the reason of the signal
    onProgress    (held, total): bytes on the server; bytes in a buffer of the network do not count
    onState       (state, problem): see below; `problem` comes with `retrying` and `failed`
    onNotice      (kind): 'different': the server held other bytes under this name, size and time, and the upload
                  starts over, once; 'buffering': a proxy in front of the server buffers uploads

methods:

    upload()           resolves to true when complete, to false when stopped; throws a Problem (kind, message, said)
    stop()             ends the running requests; the server keeps the received bytes
    cancel()           stops, and deletes the partial upload; throws a Problem if the deletion fails
    sendAgain()        deletes the partial upload, then uploads from the first byte
    sendCopy()         uploads the file once more, as a copy with a new `id`
    wake()             ends a pause before the next attempt
    getUploadedBytes() asks the server for the offset

fields: file, path, lastModified, copy, id, held, state, problem, retryAt (ms, as of Date.now(), while `retrying`),
savedAs (the path of the complete file on the server, or null if the server does not tell), compared (with `already`: true
if the server has compared the checksums of both files; otherwise only name, size and time are equal), asksFirst (set it
to true if an earlier visit has begun the file: a small file is otherwise sent without a question)

states:

    waiting     other uploads run                              complete   sent, the server has the whole file
    checking    asks the server for the offset                 already    the server had the file before
    sending     sends bytes                                    failed     `problem` has the reason
    comparing   reads bytes sent by an earlier visit           cancelled  cancel() ended it
    retrying    waits after `problem`, then tries again        paused     stopped, or not started

uploader.d.ts has the same as types.
*/

import { combined, hex } from './crc32.js';
import { checked } from './options.js';
import { pauseSeconds, SMALL_BYTES, WHOLE_BYTES } from './plan.js';
import { Problem } from './problem.js';
import { LAST_WINDOW, Proof } from './proof.js';
import { probe, read } from './reader.js';
import { orAborted } from './reading.js';
import { send } from './sending.js';
import { fileId, Wire } from './wire.js';

export { Problem };

const CONFLICTS_NORMAL = 5;
const RESTARTS_MAX = 1;
/** The server takes a file of at most this size, sent in one request, beside any number of unfinished uploads. */
const ALWAYS_TAKEN_BYTES = 64 * 1024;

export class Uploader {
  held = 0;
  state = 'paused';
  problem = null;
  retryAt = 0;
  compared = false;
  savedAs = null;
  asksFirst = false;

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
  #proof;
  #reading = null;
  /** A small file, read whole while it waited for its permit. */
  #readAhead = null;
  #release = () => {};
  /** Returns the place of a new upload. */
  #leavePlace = null;
  #isNew = false;
  #endedBefore = 0;

  constructor(options) {
    this.#options = checked(options);
    const { file, path, lastModified, copy = '', server, headers } = this.#options;
    this.file = file;
    // macOS takes names apart (NFD): without this, one Korean name would have two ids.
    this.path = path.normalize('NFC');
    this.lastModified = lastModified;
    this.copy = copy;
    this.id = fileId(this);
    this.#wire = new Wire(server, headers);
    this.#proof = new Proof(file.size);
  }

  upload() {
    return this.#begin();
  }

  sendAgain() {
    this.stop();
    return this.#begin(() => { this.#afresh = this.asksFirst = true; });
  }

  sendCopy() {
    this.stop();
    return this.#begin(() => this.#becomeCopy());
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

  /** Starts a run after the end of the one before, and after `prepare`. Returns the run that is under way, if any. */
  #begin(prepare) {
    const busy = this.#running && !this.#stopping.signal.aborted;
    if (busy) return this.#running;
    const stopping = this.#stopping = new AbortController();
    const { signal } = this.#options;
    const abort = () => stopping.abort(signal.reason);
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    const run = this.#running = this.#run(this.#running, prepare, stopping.signal);
    const forget = () => {
      signal?.removeEventListener('abort', abort);
      if (this.#running === run) this.#running = null;
    };
    run.then(forget, forget);
    return run;
  }

  async #run(before, prepare, signal) {
    await before?.catch(() => {});
    try {
      prepare?.();
      this.#enter('waiting');
      this.#failures = this.#conflicts = this.#restarts = 0;
      this.#isNew = false;
      await this.#acquire(signal);
      while (!await this.#attempt(signal).catch((error) => this.#afterFailure(error, signal)));
      return true;
    } catch (error) {
      if (signal.aborted) {
        this.#enter('paused');
        this.#options.signal?.throwIfAborted();
        return false;
      }
      this.#enter('failed', error);
      throw error;
    } finally {
      this.#readAhead = null;
      this.#release();
      this.#wire.places.leave(this);
      this.#leavePlace?.();
      this.#leavePlace = null;
    }
  }

  /** Waits for a permit. A new upload needs a place too, and a begun one goes on: it may be what the new ones wait for. */
  async #acquire(signal) {
    const { places, next, uploads } = this.#wire;
    const { concurrency } = this.#options;
    const mayBeBegun = this.held > 0 || (this.asksFirst && !this.#isNew);
    const needsPlace = !mayBeBegun && !this.#isAlwaysTaken;
    if (needsPlace) this.#leavePlace ??= await places.take(signal, concurrency);
    const leaveNext = await next.acquire(signal);
    try {
      // Otherwise the connection would be idle during the read.
      if (this.#isSentUnasked) this.#readAhead = this.#readRest(signal);
      this.#release = await uploads.acquire(signal, concurrency);
    } finally {
      leaveNext();
    }
  }

  /** One try, from the question to the end. Returns false when it is to be repeated at once. */
  async #attempt(signal) {
    this.#endedBefore = this.#wire.places.ended;
    // No byte is read of an empty file, so only this check finds a missing one.
    if (this.file.size === 0) await probe(this.file);
    if (this.#isSentUnasked) return this.#sendSmall(signal);
    if (!this.asksFirst && this.#isSmall) return this.#compareSmall(signal);
    this.#enter('checking');
    if (this.#afresh) await this.#startOver(signal);
    const status = await this.#wire.status(this.id, signal);
    if (!await this.#isOurs(status, signal)) return this.#differs(signal);
    this.#moveTo(status.held);
    return status.complete ? this.#compare(signal) : this.#sendFrom(signal);
  }

  /** True if the file needs no place beside unfinished uploads, unless it is declared before it is sent. */
  get #isAlwaysTaken() {
    return this.file.size <= ALWAYS_TAKEN_BYTES;
  }

  /** True if the next request is the whole file. For an empty file, one request both compares and sends. */
  get #isSentUnasked() {
    return !this.asksFirst && this.#isSmall && !(this.#wire.plan.isRepeat && this.file.size > 0);
  }

  get #isSmall() {
    return this.file.size <= Math.min(SMALL_BYTES, this.#chunkBytes);
  }

  get #chunkBytes() {
    return Math.min(this.#wire.plan.size, this.#options.chunkBytes ?? Infinity);
  }

  /** Sends only the checksum of a small file. If the server does not hold the file, sends the file. */
  async #compareSmall(signal) {
    this.asksFirst = true;
    const answer = await this.#sendDigest(signal);
    if (!answer.conflict || answer.held > 0) return this.#afterDigest(answer, signal);
    this.#wire.plan.found(false);
    return this.#sendSmall(signal);
  }

  /** Sends a small file in one request. A 409 means that the server holds bytes: the next attempt asks for their number. */
  async #sendSmall(signal) {
    this.asksFirst = this.#tookPart = true;
    const answer = await this.#sendSome(signal, true);
    this.#tookPart = !answer?.conflict;
    if (answer?.conflict) return this.#yield(answer.held, signal);
    if (answer?.mismatch) return this.#differs(signal);
    if (!answer?.complete) return false;
    // The server may have had an empty file before: its request is the same.
    if (this.file.size > 0) this.#wire.plan.found(false);
    return this.#finish('complete', answer);
  }

  /** Sends the checksum of this file: the server has a complete file of this name, size and time. */
  async #compare(signal) {
    return this.#afterDigest(await this.#sendDigest(signal), signal);
  }

  #afterDigest(answer, signal) {
    if (answer.conflict) return this.#yield(answer.held, signal);
    if (answer.mismatch) return this.#differs(signal);
    if (!answer.complete) throw new Problem('strange');
    this.compared = answer.compared;
    if (!this.#tookPart && this.#isSmall) this.#wire.plan.found(true);
    return this.#finish(this.#tookPart ? 'complete' : 'already', answer);
  }

  async #sendFrom(signal) {
    this.#tookPart = true;
    const over = new AbortController();
    // Reads the bytes sent earlier while the rest is sent.
    this.#reading = this.#readUnknown(this.held, over.signal);
    // The code that awaits this promise handles its failure.
    this.#reading.catch(() => {});
    try {
      let answer = await (this.#isAlwaysTaken ? this.#sendSome(signal) : this.#declare(signal));
      while (true) {
        if (answer === null) return false;
        if (answer.conflict) return await this.#yield(answer.held, signal);
        if (answer.mismatch) return await this.#differs(signal);
        const stuck = answer.held === this.held && this.held === this.file.size;
        this.#moveTo(answer.held);
        if (answer.complete) return this.#finish('complete', answer);
        // The server holds every byte, but the upload is not complete.
        if (stuck || answer.held > this.file.size) throw new Problem('strange');
        answer = await this.#sendSome(signal);
      }
    } finally {
      over.abort(signal.reason);
    }
  }

  /** Declares size, name and time without a body, so that a refusal comes before any byte is sent. */
  #declare(signal) {
    if (this.held === this.file.size) return this.#sendDigest(signal);
    const digest = this.#isLast ? undefined : '?';
    return this.#wire.post(this, { start: this.held, body: null, digest, signal });
  }

  /** True if the next request is the last: it sends the last part of the file, or a small file as a whole. */
  get #isLast() {
    const { size } = this.file;
    const isWhole = this.held === 0 && size <= Math.min(WHOLE_BYTES, this.#chunkBytes);
    return isWhole || size - this.held <= LAST_WINDOW;
  }

  async #sendSome(signal, isUnasked = false) {
    const start = this.held;
    const part = await (this.#isLast ? this.#lastPart(signal) : this.#nextPart(signal));
    this.#enter('sending');
    const answer = await send({
      wire: this.#wire, upload: this, start, part, isUnasked, signal,
      onHeld: (held) => this.#moveTo(held),
      onBuffering: () => this.#notice('buffering'),
    });
    if (answer && !answer.conflict && !answer.mismatch) {
      if (answer.held <= start && !answer.complete) throw new Problem('strange');
      this.#conflicts = 0;
      if (answer.held >= part.end) this.#proof.add(await part.stretch);
    }
    return answer;
  }

  /** Returns the next part to send, and starts to read it for its checksum. */
  #nextPart(signal) {
    const start = this.held;
    const end = Math.min(start + this.#chunkBytes, this.file.size - LAST_WINDOW);
    const stretch = read(this.file, { start, end, blocks: this.#proof.blocksIn(start, end) }, signal);
    // The code that awaits this promise handles its failure.
    stretch.catch(() => {});
    // A slice, not its bytes: the browser reads a slice itself, and Chromium copies the bytes of a script four times.
    return { body: this.file.slice(start, end), size: end - start, end, digest: '?', stretch };
  }

  /** Returns the last part of the file, after all before it is known and the file is found unchanged. */
  async #lastPart(signal) {
    const { held: start, file: { size: end } } = this;
    if (this.#proof.gap(start)) this.#enter('comparing');
    await this.#reading;
    await this.#readUnknown(start, signal);
    const checks = this.#proof.blocks.map(async (block) => {
      const { crc } = await read(this.file, { start: block.start, end: block.end });
      if (crc !== block.crc) throw new Problem('file-changed');
    });
    await orAborted(Promise.all(checks), signal);
    const ahead = start === 0 ? this.#readAhead : null;
    this.#readAhead = null;
    const stretch = await (ahead ?? this.#readRest(signal));
    const digest = hex(combined(this.#proof.crc(start), stretch.crc, end - start));
    return { body: stretch.bytes, size: end - start, end, digest, stretch };
  }

  /** Starts to read the bytes that the server does not hold, to send them. */
  #readRest(signal) {
    const reading = read(this.file, { start: this.held, end: this.file.size, keep: true }, signal);
    // The code that awaits this promise handles its failure.
    reading.catch(() => {});
    return reading;
  }

  /** Reads the unknown stretches of the first `held` bytes. */
  async #readUnknown(held, signal) {
    const proof = this.#proof;
    for (let gap = proof.gap(held); gap; gap = proof.gap(held)) {
      proof.add(await read(this.file, gap, signal));
    }
  }

  /** Sends the checksum of the whole file to a server that holds all bytes. */
  async #sendDigest(signal) {
    const { size } = this.file;
    if (this.#proof.gap(size)) this.#enter('comparing');
    await this.#readUnknown(size, signal);
    return this.#wire.post(this, { start: size, body: null, digest: hex(this.#proof.crc(size)), signal });
  }

  // A 409. Once or twice is normal: the rest of a cut request may still be arriving. Repeated conflicts mean that
  // another client sends the same file. Two clients that take over from each other would both be slow.
  async #yield(held, signal) {
    this.#moveTo(held);
    if (++this.#conflicts > CONFLICTS_NORMAL) throw new Problem('elsewhere');
    await this.#pause((this.#conflicts - 1) / 2, signal);
    return false;
  }

  /** Returns whether the last bytes held have the checksum of the same bytes of this file. */
  async #isOurs({ held, complete, tail }, signal) {
    if (held > this.file.size || (complete && held < this.file.size)) return false;
    if (held === 0 || complete) return true;
    if (!tail || tail.length > held) return false;
    const { crc } = await read(this.file, { start: held - tail.length, end: held }, signal);
    return crc === tail.crc;
  }

  /** Starts over: the server holds bytes of another file. */
  async #differs(signal) {
    if (++this.#restarts > RESTARTS_MAX) throw new Problem('different');
    this.#notice('different');
    await this.#startOver(signal);
    return false;
  }

  async #startOver(signal) {
    await this.#wire.forget(this.id, signal);
    this.#afresh = this.#tookPart = false;
    this.#proof = new Proof(this.file.size);
    this.#moveTo(0);
  }

  /** Makes this upload that of another file of the server. */
  #becomeCopy() {
    this.copy = Math.random().toString(36).slice(2);
    this.id = fileId(this);
    this.#afresh = this.asksFirst = this.#tookPart = this.compared = false;
    this.savedAs = null;
    this.#proof = new Proof(this.file.size);
    this.#moveTo(0);
  }

  #finish(state, { savedAs }) {
    this.savedAs = savedAs;
    this.#wire.places.complete();
    this.#moveTo(this.file.size);
    this.#enter(state);
    return true;
  }

  /** Throws a lasting problem. Waits after a passing one. */
  async #afterFailure(error, signal) {
    signal.throwIfAborted();
    if (!(error instanceof Problem && error.passes)) throw error;
    // A file that changed on disk looks like a lost connection to XMLHttpRequest.
    await probe(this.file);
    // Bytes of another client that sends this file do not shorten the pauses again.
    const failures = error.kind === 'elsewhere' ? this.#conflicts - CONFLICTS_NORMAL : ++this.#failures;
    const { retry = true } = this.#options;
    if (!(typeof retry === 'function' ? retry(error, failures) : retry)) throw error;
    const seconds = Math.max(pauseSeconds(failures, Math.random()), error.afterSeconds);
    this.retryAt = Date.now() + seconds * 1000;
    this.#enter('retrying', error);
    await this.#waitOut(error, seconds, signal);
    return false;
  }

  // If the server refuses only this file, or new files, other files are sent in the meantime.
  async #waitOut({ kind, ofFile }, seconds, signal) {
    const lacksPlace = kind === 'too-many-partials' && !this.#isAlwaysTaken;
    if (ofFile || lacksPlace) this.#release();
    await (lacksPlace ? this.#waitForEnd(seconds, signal) : this.#pause(seconds, signal));
    if (!ofFile && !lacksPlace) return;
    this.#enter('waiting');
    await this.#acquire(signal);
  }

  /** Waits until another upload has ended, or for `seconds`. */
  async #waitForEnd(seconds, signal) {
    const { places } = this.#wire;
    this.#isNew = true;
    if (!this.#leavePlace) return;
    places.refuse(this);
    if (places.ended === this.#endedBefore) await this.#pause(seconds, signal);
    places.leave(this);
  }

  #pause(seconds, signal) {
    const { document } = globalThis;
    return new Promise((resolve, reject) => {
      const seen = () => document.visibilityState === 'visible' && done();
      const stopped = () => { done(); reject(signal.reason); };
      const done = () => {
        clearTimeout(timer);
        globalThis.removeEventListener?.('online', done);
        document?.removeEventListener('visibilitychange', seen);
        signal.removeEventListener('abort', stopped);
        this.#wake = () => {};
        if (!signal.aborted) resolve();
      };
      const timer = setTimeout(done, seconds * 1000);
      globalThis.addEventListener?.('online', done);
      document?.addEventListener('visibilitychange', seen);
      signal.addEventListener('abort', stopped);
      this.#wake = done;
    });
  }

  #moveTo(held) {
    if (held > this.held) this.#failures = 0;
    this.#proof.cut(held);
    this.held = Math.min(held, this.file.size);
    notify(this.#options.onProgress, this.held, this.file.size);
  }

  #enter(state, problem = null) {
    this.state = state;
    this.problem = problem;
    notify(this.#options.onState, state, problem);
  }

  #notice(kind) {
    notify(this.#options.onNotice, kind);
  }
}

// An error of the caller's function does not fail the upload; neither does a promise that it returns.
async function notify(listener, ...news) {
  try {
    await listener?.(...news);
  } catch (error) {
    (globalThis.reportError ?? console.error)(error);
  }
}
