// The kinds of problems, each with a name for programs and words for people.

import { shown } from './names.js';

/**
 * By kind: [event, advice], or a function of the amounts that the server states, as text. Other languages are in
 * words.js.
 */
export const english = {
  // These pass: the upload tries again by itself.
  offline: ['This device is offline.', 'The upload goes on by itself when the connection is back.'],
  gone: ['The server does not answer.',
    'The upload keeps trying. Check that the server runs and that this device is on the right network.'],
  busy: ['The server is busy.', 'The upload tries again by itself.'],
  'too-many-connections': ['This network has too many connections to the server.', 'The upload tries again by itself.'],
  'too-many-logins': ['Too many sign-ins have failed.', 'The upload waits, then tries again by itself.'],
  unavailable: ['The server cannot store files now.',
    'The upload tries again by itself. If this goes on, tell the person who runs the server.'],
  'server-error': ['The server had an internal error.',
    'The upload tries again by itself. If this goes on, tell the person who runs the server.'],
  'disk-failed': ['The disk of the server has failed.',
    'The upload tries again by itself. Tell the person who runs the server.'],
  stalled: ['Nothing has moved for a while.', 'The upload tries again by itself.'],
  strange: ['Something else answered in place of the upload server.',
    'It may be a sign-in page of a proxy or of the Wi-Fi. Open this address in a new tab and look.'],
  elsewhere: ['Another tab or device is sending the same file.',
    'This one waits, then goes on from what has arrived.'],
  'too-many-partials': ['Too many uploads are unfinished.',
    'This one waits until another one is finished. Forget files that you will not finish.'],
  // These stay until a person acts.
  refused: ['The server did not accept this upload.', 'Retry. If this goes on, tell the person who runs the server.'],
  'sign-in': ['The server wants a name and a password.', globalThis.document
    ? 'Retry and sign in. If the browser does not ask, reload this page.'
    : 'Add them to the option headers, as a field Authorization.'],
  untrusted: ['The certificate of the server is not trusted.',
    'In Node, name a file with the certificate of its issuer in NODE_EXTRA_CA_CERTS.'],
  'wrong-host': ['The server does not answer under this address.',
    'Open it by its IP address, or ask the person who runs the server to allow this name.'],
  'no-service': ['There is no upload server at this address.', 'Check the address, or the path in the proxy.'],
  'cannot-store': ['The server cannot write this file into its folder.', 'Tell the person who runs the server, then retry.'],
  'proxy-limit': ['A proxy in front of the server refuses even small requests.',
    'The person who runs the server can raise its limit on request bodies; in nginx: client_max_body_size 0.'],
  'disk-full': ['The server has no space for this file.',
    'Ask the person who runs the server to make room, then retry. What has arrived is kept.'],
  'quota-full': ([quota, , left]) => ['Your space on the server is too small for this file.',
    `You have ${left ? `${left} left of ${quota}` : `${quota} in all`}. Forget files that you will not finish, or ask the ` +
    'person who runs the server for more space. Then retry.'],
  different: ['The server holds other bytes under this name, size and time, again and again.',
    'Make sure nobody else is sending a file of this name, then retry.'],
  // A retry cannot help.
  forbidden: ['You are not allowed to send this file here.', 'Ask the person who runs the server.'],
  'bad-name': ['The server cannot store a file of this name.', 'Rename the file, then choose it again.'],
  'too-large': ([max]) => [`The file is larger than this server takes${max ? `: at most ${max}` : ''}.`,
    'Send a smaller file, or ask the person who runs the server for a higher limit.'],
  'file-changed': ['The file was changed, moved or deleted on this device, or cannot be read.',
    'Check the file, then choose it again.'],
};

const passing = new Set(['offline', 'gone', 'busy', 'too-many-connections', 'too-many-logins', 'unavailable', 'server-error',
  'disk-failed', 'stalled', 'strange', 'elsewhere', 'too-many-partials']);
const final = new Set(['forbidden', 'bad-name', 'too-large', 'file-changed']);
const ofAll = new Set(['sign-in', 'untrusted', 'wrong-host', 'no-service']);

/** Returns [event, advice] from a table such as `english`. */
export function textsOf(table, kind, amounts) {
  const texts = table[kind];
  return typeof texts === 'function' ? texts(amounts) : texts;
}

/**
 * The error that `upload()` throws, and the reason for a pause.
 *
 * - `kind`: a key of `english` above;
 * - `message`: the same in words;
 * - `passes`: true if the upload tries again by itself;
 * - `isFinal`: true if a retry of the same file cannot help;
 * - `isOfAll`: true if the other files for this server would fail as well;
 * - `code`: the `X-Problem` of the server, or '': see docs/clients.md;
 * - `said`: the server's own line, if it sent one;
 * - `isNamed`: true if `code` decided `kind`;
 * - `amounts`: the numbers of bytes that the server states;
 * - `afterSeconds`: the `Retry-After` of the server, at most 600, or 0;
 * - `ofFile`: true if the server is busy with this file only, for example publishing it.
 */
export class Problem extends Error {
  constructor(kind, {
    code = '', said = '', isNamed = false, amounts = [], afterSeconds = 0, ofFile = false, passes, cause,
  } = {}) {
    super(textsOf(english, kind, amounts.map(plainSize)).join(' '), { cause });
    this.name = 'Problem';
    this.kind = kind;
    this.passes = passes ?? passing.has(kind);
    this.isFinal = final.has(kind);
    this.isOfAll = ofAll.has(kind);
    this.code = code;
    this.said = said;
    this.isNamed = isNamed;
    this.amounts = amounts;
    this.afterSeconds = afterSeconds;
    this.ofFile = ofFile;
  }
}

const byStatus = {
  401: 'sign-in', 403: 'forbidden', 404: 'no-service', 405: 'no-service', 408: 'stalled', 409: 'elsewhere',
  421: 'wrong-host', 429: 'busy', 500: 'server-error', 501: 'no-service', 502: 'gone', 503: 'busy', 504: 'gone',
  507: 'disk-full',
};

// By `X-Problem`, if it is not the kind itself.
const byCode = {
  conflict: 'elsewhere', 'too-slow': 'stalled', 'forbidden-origin': 'forbidden', 'not-found': 'no-service',
  'method-not-allowed': 'no-service', unsupported: 'no-service', 'bad-request': 'refused', 'different-bytes': 'refused',
  'different-length': 'refused',
};

// These have the same meaning with and without an offset.
const plain = new Set([401, 413, 421, 429]);

/** Returns the problem of an answer other than 2xx. `size`: the length of the file, for a request that sends it. */
export function problemOf({ status, text, isFromServer, hasOffset, afterSeconds, code, size = 0 }) {
  // The server sends no offset if the upload cannot continue. The usual meaning of the status does not apply then.
  const isFinal = isFromServer && !hasOffset && status >= 400 && status < 500 && !plain.has(status);
  const known = Object.hasOwn(english, code) ? code : byCode[code];
  const usual = status === 413 ? (isFromServer ? 'too-large' : 'proxy-limit')
    : byStatus[status] ?? (status >= 500 ? 'server-error' : status >= 400 ? 'refused' : 'strange');
  const amounts = amountsIn(text);
  // The amounts are rounded to two digits.
  const isBeyondQuota = code === 'quota-full' && size > amounts[0] * 1.05;
  if (isBeyondQuota) return new Problem('too-large', { code, isNamed: true, amounts });
  const kind = isFinal && (!known || passing.has(known)) ? 'refused' : known ?? usual;
  return new Problem(kind, {
    code, isNamed: kind === known, amounts, said: isFromServer || code ? line(text) : '', afterSeconds,
    ofFile: isFromServer && status === 503 && kind === 'busy', passes: passing.has(kind) || status === 429,
  });
}

// By Node: `code` of the error below that of fetch. A browser does not tell that a certificate is refused.
const aboutCertificate = /CERT|^(?:UNABLE_TO|INVALID|HOSTNAME)_/;

/** Returns the problem of a request without an answer. */
export function unreachable(cause) {
  const code = String(cause?.cause?.code ?? '');
  if (aboutCertificate.test(code)) {
    const problem = new Problem('untrusted', { cause });
    problem.message += ` (${code})`;
    return problem;
  }
  return new Problem(globalThis.navigator?.onLine === false ? 'offline' : 'gone', { cause });
}

// A bare number is the offset, not a text for people.
function line(text) {
  const first = text.trim().split('\n')[0].slice(0, 200);
  return /^\d*$/.test(first) || first.startsWith('<') ? '' : shown(first);
}

const factors = { byte: 1, bytes: 1, B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15 };

function amountsIn(text) {
  return [...text.matchAll(/(\d+(?:\.\d+)?) (bytes?|[kMGTP]?B)\b/g)].map(([, number, unit]) => number * factors[unit]);
}

// For programs; words.js writes the amounts of the page.
function plainSize(bytes) {
  return `${bytes} bytes`;
}
