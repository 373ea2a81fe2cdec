// The kinds of problems, each with a name for programs and words for people.

import { shown } from './names.js';

/** By kind: [event, advice]. Other languages are in words.js. */
export const english = {
  // These pass: the upload tries again by itself.
  offline: ['This device is offline.', 'The upload goes on by itself when the connection is back.'],
  gone: ['The server does not answer.',
    'The upload keeps trying. Check that the server runs and that this device is on the right network.'],
  busy: ['The server is busy.', 'The upload tries again by itself.'],
  'server-error': ['The server had an internal error.',
    'The upload tries again by itself. If this goes on, look into the log of the server.'],
  stalled: ['Nothing has moved for a while.', 'The upload tries again by itself.'],
  strange: ['Something else answered in place of the upload server.',
    'It may be a sign-in page of a proxy or of the Wi-Fi. Open this address in a new tab and look.'],
  elsewhere: ['Another tab or device is sending the same file.',
    'This one waits, then goes on from what has arrived.'],
  // These stay until a person acts.
  refused: ['The server did not accept this upload.', 'Retry, or look into the log of the server.'],
  'sign-in': ['The server wants a name and a password.', 'Retry and sign in. If the browser does not ask, reload this page.'],
  forbidden: ['You are not allowed to send this file here.', 'Ask the person who runs the server.'],
  'wrong-host': ['The server does not answer under this address.',
    'Open it by its IP address, or start it with --host and the name you use.'],
  'no-service': ['There is no upload server at this address.', 'Check the address, or the path in the proxy.'],
  'too-large': ['The file is larger than this server takes.',
    'Send a smaller file, or ask for a higher limit (--max-size).'],
  'proxy-limit': ['A proxy in front of the server refuses even small requests.',
    'Raise its limit on request bodies; in nginx: client_max_body_size 0.'],
  'disk-full': ['The server has no space for this file.', 'Make room there, then retry. What has arrived is kept.'],
  different: ['The server holds other bytes under this name, size and time, again and again.',
    'Make sure nobody else is sending a file of this name, then retry.'],
  'file-changed': ['The file was changed, moved or deleted on this device.', 'Choose it again.'],
};

const passing = new Set(['offline', 'gone', 'busy', 'server-error', 'stalled', 'strange', 'elsewhere']);

/**
 * The error that `upload()` throws, and the reason for a pause.
 *
 * - `kind`: a key of `english` above;
 * - `message`: the same in words;
 * - `passes`: whether the upload tries again by itself;
 * - `code`: the `X-Problem` of the server, or '': see docs/clients.md;
 * - `said`: the server's own line, if it sent one;
 * - `afterSeconds`: the `Retry-After` of the server, or 0;
 * - `ofFile`: true if the server is busy with this file only, for example publishing it.
 */
export class Problem extends Error {
  constructor(kind, { code = '', said = '', afterSeconds = 0, ofFile = false, cause } = {}) {
    super(english[kind].join(' '), { cause });
    this.name = 'Problem';
    this.kind = kind;
    this.passes = passing.has(kind);
    this.code = code;
    this.said = said;
    this.afterSeconds = afterSeconds;
    this.ofFile = ofFile;
  }
}

const byStatus = {
  401: 'sign-in', 403: 'forbidden', 404: 'no-service', 405: 'no-service', 408: 'stalled', 409: 'elsewhere',
  421: 'wrong-host', 429: 'busy', 500: 'server-error', 501: 'no-service', 502: 'gone', 503: 'busy', 504: 'gone',
  507: 'disk-full',
};

// These have the same meaning with and without an offset.
const plain = new Set([401, 413, 421, 429]);

/** Returns the problem of an answer other than 2xx. */
export function problemOf({ status, text, ours, hasOffset, afterSeconds, code }) {
  // The server sends no offset if the upload cannot continue. The usual meaning of the status does not apply then.
  const isFinal = ours && !hasOffset && status >= 400 && status < 500 && !plain.has(status);
  const kind = isFinal ? 'refused' : status === 413 ? (ours ? 'too-large' : 'proxy-limit')
    : byStatus[status] ?? (status >= 500 ? 'server-error' : status >= 400 ? 'refused' : 'strange');
  return new Problem(kind, { code: ours ? code : '', said: ours ? line(text) : '', afterSeconds, ofFile: ours && status === 503 });
}

/** Returns the problem of a request without an answer. */
export function unreachable(cause) {
  return new Problem(globalThis.navigator?.onLine === false ? 'offline' : 'gone', { cause });
}

// A bare number is the offset, not a text for people.
function line(text) {
  const first = text.trim().split('\n')[0].slice(0, 200);
  return /^\d*$/.test(first) || first.startsWith('<') ? '' : shown(first);
}
