// The requests of the X-File-Id protocol, one method each. Handles headers and answers; decides nothing.

import { wrong } from './options.js';
import { Places } from './places.js';
import { Plan } from './plan.js';
import { Problem, problemOf, unreachable } from './problem.js';
import { orAborted } from './reading.js';
import { Semaphore } from './semaphore.js';

// A browser opens six connections to an origin. One stays free for offsets and for the uploads of others.
const UPLOADS_MAX = 5;
// Each question may cost the server a sync of its disk.
const QUESTIONS_MAX = 1;
const PATIENCE_MS = 60_000;
const RETRY_AFTER_MAX = 600;

const plans = new Map();
const places = new Map();
const semaphores = new Map();

/** A server, with the state of its requests. */
export class Wire {
  #headers;
  #questions;

  constructor(server, headers) {
    const base = addressOf(server);
    this.statusUrl = new URL('status', base).href;
    this.uploadUrl = new URL('upload', base).href;
    this.#headers = headers;
    if (!plans.has(base.href)) plans.set(base.href, new Plan());
    if (!places.has(base.href)) places.set(base.href, new Places(UPLOADS_MAX));
    if (!semaphores.has(base.origin)) semaphores.set(base.origin, [UPLOADS_MAX, 1, QUESTIONS_MAX].map((permits) => new Semaphore(permits)));
    /** The plan for this server: shared by all uploads to it. */
    this.plan = plans.get(base.href);
    /** The places of unfinished uploads on this server. */
    this.places = places.get(base.href);
    /** The semaphores of the uploads to this origin: of those that are sent, and of the one that is next. */
    [this.uploads, this.next, this.#questions] = semaphores.get(base.origin);
  }

  /** True if `post` calls `onSent`: fetch does not tell how much of a body is out. */
  get countsSent() {
    return typeof XMLHttpRequest === 'function';
  }

  /** Asks for the offset: `{ held, complete, tail: { crc, length } or null }`. */
  async status(id, signal) {
    const release = await this.#questions.acquire(signal);
    try {
      const answer = await this.#ask('GET', this.statusUrl, id, signal);
      if (answer.status !== 200) throw problemOf(answer);
      const held = count(answer.text);
      if (held === null) throw new Problem('strange');
      return { held, complete: answer.complete, tail: tail(answer.tail) };
    } finally {
      release();
    }
  }

  /** Deletes the partial upload. A published file stays. */
  async forget(id, signal) {
    const answer = await this.#ask('DELETE', this.uploadUrl, id, signal);
    if (answer.status >= 300 && answer.status !== 404) throw problemOf(answer);
    this.places.end();
  }

  /**
   * Sends `body` (bytes, a slice of the file, or null to declare the file and no more) of an upload, which is `{ id, file,
   * path, lastModified }`, from `start` on: `{ held, complete, compared, savedAs, conflict, mismatch }`. `digest` is the
   * CRC-32 of the whole file, or '?' to make the server compute one. A request with the last bytes must have the CRC-32.
   * A 409 is an answer here, with `conflict: true`, because it has the right count. A 412 is an answer too, with
   * `mismatch: true`: the server holds bytes with another digest. `compared` is true if the digests are equal.
   * The caller limits the time of a body.
   */
  async post(upload, { start, body, digest, signal, onSent }) {
    const headers = describe(upload, start);
    if (digest) headers['X-File-CRC32'] = digest;
    const answer = body ? await this.#send(headers, body, signal, onSent)
      : await patiently(signal, (fresh) => this.#send(headers, null, fresh));
    const held = count(answer.text);
    if (answer.status === 409 && held !== null) return { held, complete: false, conflict: true };
    if (answer.status === 412 && answer.isFromServer) return { held: 0, complete: answer.complete, mismatch: true };
    if (answer.status < 200 || answer.status > 299) throw problemOf({ ...answer, size: upload.file.size });
    if (held === null) throw new Problem('strange');
    return { held, complete: answer.complete, compared: answer.compared, savedAs: answer.savedAs };
  }

  /** Returns the headers of a request: those of the user, which may come later, and `more`. */
  async #allHeaders(more, signal) {
    const own = typeof this.#headers === 'function' ? orAborted(this.#headers(), signal) : this.#headers;
    const all = new Headers((await own) ?? {});
    for (const [name, value] of Object.entries(more)) all.set(name, value);
    return all;
  }

  // `keepalive`: the browser sends a DELETE also while the page is left.
  #ask(method, url, id, signal) {
    return patiently(signal, async (fresh) => {
      const headers = await this.#allHeaders({ 'X-File-Id': id }, fresh);
      return byFetch(url, { method, headers, cache: 'no-store', keepalive: method === 'DELETE', signal: fresh });
    });
  }

  async #send(more, body, signal, onSent) {
    const headers = await this.#allHeaders(more, signal);
    const request = { method: 'POST', headers, body, signal };
    return this.countsSent ? byXhr(this.uploadUrl, request, onSent) : byFetch(this.uploadUrl, request);
  }
}

async function byFetch(url, request) {
  try {
    const answer = await fetch(url, request);
    return read(answer.status, await answer.text(), answer.headers);
  } catch (error) {
    throw request.signal.aborted ? request.signal.reason : unreachable(error);
  }
}

function byXhr(url, { method, headers, body, signal }, onSent) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const xhr = new XMLHttpRequest();
    const abort = () => xhr.abort();
    xhr.open(method, url);
    for (const [name, value] of headers) xhr.setRequestHeader(name, value);
    if (onSent) xhr.upload.onprogress = (event) => onSent(event.loaded);
    xhr.onload = () => resolve(read(xhr.status, xhr.responseText, fieldsOf(xhr)));
    xhr.onerror = () => reject(unreachable());
    xhr.ontimeout = xhr.onerror;
    xhr.onabort = () => reject(signal.aborted ? signal.reason : unreachable());
    xhr.onloadend = () => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort);
    xhr.send(body);
  });
}

// Runs a short request, gives up after a minute, and asks anew when the browser comes back online: after a change of
// network the old connection is silent, and no error tells so.
async function patiently(signal, request) {
  const renewed = new Error('back online');
  while (true) {
    signal?.throwIfAborted();
    const ending = new AbortController();
    const stop = () => ending.abort(signal.reason);
    const renew = () => ending.abort(renewed);
    const timer = setTimeout(() => ending.abort(unreachable()), PATIENCE_MS);
    signal?.addEventListener('abort', stop);
    globalThis.addEventListener?.('online', renew);
    try {
      return await request(ending.signal);
    } catch (error) {
      if (error !== renewed) throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      globalThis.removeEventListener?.('online', renew);
    }
  }
}

/**
 * Returns the address of a server; an empty or relative one is resolved against the page, or the script of the worker.
 * It ends with a slash.
 */
export function addressOf(server) {
  const base = urlOf(server || '.', globalThis.document?.baseURI ?? globalThis.location?.href);
  if (!base) throw wrong('server', server, "an address such as 'https://example.org/', or one relative to a page");
  // Without the slash, "upload" would replace the last folder of the path.
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  // A page opened as http://name:password@server/: fetch refuses such an address. The browser knows the password.
  base.username = base.password = '';
  return base;
}

// Returns null for an address that is not of http, and for a relative one without a page.
function urlOf(server, page) {
  try {
    const url = new URL(server, page);
    return /^https?:$/.test(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

/**
 * Returns the id of a file. The same file has the same id after a reload, and in another browser. A `copy` has an id of
 * its own.
 */
export function fileId({ path, file, lastModified, copy }) {
  // The server reads size and time in an id that ends in two numbers.
  const parts = [path, file.size, lastModified ?? 'undated', ...(copy ? ['copy', copy] : [])];
  return encode(parts.join('-'));
}

function describe({ id, file, path, lastModified }, start) {
  const fields = {
    'X-File-Id': id,
    'X-Start-Byte': start,
    'X-File-Size': file.size,
    'X-File-Name': encode(path),
  };
  // Files from before 1970 have a negative time, which the server does not read.
  if (lastModified >= 0) fields['X-File-Modified'] = Math.floor(lastModified);
  return fields;
}

// Header values may not leave Latin-1. Half a surrogate pair makes encodeURIComponent throw.
function encode(text) {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd'));
}

// From the list: `getResponseHeader` writes a console error about fields that another origin hides.
function fieldsOf(xhr) {
  const lines = xhr.getAllResponseHeaders().split('\r\n').filter(Boolean);
  return new Headers(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

function read(status, text, fields) {
  return {
    status,
    text,
    // Only the upload server sends these fields, so a refusal without them is a proxy's. After a disk failure the
    // server sends no offset.
    isFromServer: fields.has('Upload-Offset') || fields.has('Upload-Complete'),
    hasOffset: fields.has('Upload-Offset'),
    complete: fields.get('Upload-Complete') === '?1' || text.startsWith('Success'),
    compared: fields.get('X-File-CRC32') === '?1',
    savedAs: decoded(fields.get('X-File-Name')),
    tail: fields.get('X-Tail-Digest'),
    afterSeconds: retryAfter(fields),
    code: fields.get('X-Problem') ?? '',
  };
}

/** Returns the seconds of `Retry-After`, at most ten minutes, or 0. */
export function retryAfter(fields) {
  return Math.min(Number(fields.get('Retry-After')) || 0, RETRY_AFTER_MAX);
}

// Returns null for a field that is missing, or not percent-encoded UTF-8.
function decoded(field) {
  try {
    return field && decodeURIComponent(field);
  } catch {
    return null;
  }
}

function count(text) {
  const digits = /^(?:Success )?(\d{1,15})\s*$/.exec(text);
  return digits && Number(digits[1]);
}

function tail(field) {
  const parts = /^crc32=([0-9a-f]{8}); *length=(\d{1,6})$/i.exec(field ?? '');
  return parts && { crc: parseInt(parts[1], 16), length: Number(parts[2]) };
}
