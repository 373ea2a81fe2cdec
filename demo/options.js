// Checks the options of an Uploader. Pure.

import { SIZE_MIN } from './plan.js';

const isFunction = (value) => typeof value === 'function';
const isBoolean = (value) => typeof value === 'boolean';
const isText = (value) => typeof value === 'string' && value !== '';
const isWhole = (least) => (value) => Number.isSafeInteger(value) && value >= least;
// By the tag, not by the class: a file of a frame has another class. An imitation would be sent as the text of an object.
const isBlob = (value) => /^\[object (File|Blob)\]$/.test(Object.prototype.toString.call(value));
const isSignal = (value) => isBoolean(value?.aborted) && isFunction(value.addEventListener);
const isObject = (value) => typeof value === 'object' && value !== null;

/** By option: the check of a value, and the allowed values in words. */
const known = {
  file: [isBlob, 'a File or a Blob'],
  name: [isText, 'a text, not empty'],
  lastModified: [Number.isSafeInteger, 'a whole number of milliseconds since 1970'],
  path: [isText, 'a text, not empty'],
  copy: [isText, 'a text, not empty'],
  server: [(value) => typeof value === 'string' || value instanceof URL, 'an address'],
  headers: [(value) => isFunction(value) || isObject(value), 'an object with texts, or a function that returns one'],
  chunkBytes: [isWhole(SIZE_MIN), `a whole number from ${SIZE_MIN}`],
  concurrency: [isWhole(1), 'a whole number from 1'],
  retry: [(value) => isBoolean(value) || isFunction(value), 'true, false, or a function (problem, failures)'],
  signal: [isSignal, 'an AbortSignal'],
  onProgress: [isFunction, 'a function'],
  onState: [isFunction, 'a function'],
  onNotice: [isFunction, 'a function'],
};

/** The names of all options. */
export const names = Object.keys(known);

/** Returns the options, with `path` and `lastModified` of the file. Throws a TypeError that names a wrong option. */
export function checked(options) {
  if (!isObject(options)) throw new TypeError(`Uploader: the options are ${described(options)}; allowed: an object`);
  for (const [option, value] of Object.entries(options)) {
    if (!Object.hasOwn(known, option)) {
      throw new TypeError(`Uploader: option ${option} is unknown; allowed: ${names.join(', ')}`);
    }
    const [isRight, allowed] = known[option];
    if (value !== undefined && !isRight(value)) throw wrong(option, value, allowed);
  }
  const { file, name, lastModified, path } = options;
  if (!file) throw wrong('file', file, known.file[1]);
  const own = path ?? name ?? (file.webkitRelativePath || file.name);
  if (!own) throw wrong('name', own, `${known.name[1]}, because a Blob has no name`);
  return { ...options, path: own, lastModified: lastModified ?? file.lastModified };
}

/** Returns the TypeError about the value of an option. */
export function wrong(option, value, allowed, cause) {
  return new TypeError(`Uploader: option ${option} is ${described(value)}; allowed: ${allowed}`, { cause });
}

function described(value) {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 100));
  if (isFunction(value)) return 'a function';
  return isObject(value) ? `an object (${value.constructor?.name ?? 'Object'})` : String(value);
}
