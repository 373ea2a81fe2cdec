// Remembers in the browser the files that it has begun to send and has not finished, one record each: several tabs
// write, and none overwrites the records of another. Without a storage the records last as long as the page.
//
// A record is { id, path, size, lastModified, held, when }: `held` bytes were on the server at the time `when` (ms).

import { SMALL_BYTES } from './plan.js';

/** At most so many files of a server are remembered; the oldest are forgotten first. */
export const RECORDS_MAX = 1000;
/** The record of a file is written at most so often. */
export const WRITE_MS = 5000;


export class Begun {
  #storage;
  #prefix;
  #completedKey;
  #hasCompleted = false;
  #others = { key: '', count: 0, when: 0 };
  #clock;
  /** The records of this server by id, the oldest first. */
  #records = new Map();

  /** `server` is the whole address of a server. Records of another `kind` are kept apart. `clock()` returns ms. */
  constructor(server, { kind = 'begun', storage = ownStorage(), clock = Date.now } = {}) {
    this.#storage = storage;
    this.#prefix = `resumed ${kind} ${server} `;
    this.#completedKey = `resumed completed ${server}`;
    this.#others.key = `resumed others ${server}`;
    this.#clock = clock;
    this.#load();
  }

  /** True if this browser has sent a whole file to the server, now or on an earlier visit. */
  get hasCompleted() {
    return this.#hasCompleted;
  }

  noteCompleted() {
    if (this.#hasCompleted) return;
    this.#hasCompleted = true;
    this.#write(this.#completedKey, 'true');
  }

  /** The number of files without a record that the last visit has not sent. */
  get others() {
    return this.#others.count;
  }

  /** If the number `moves`, it is written every few seconds. */
  setOthers(count, moves = false) {
    const others = this.#others;
    if (count === others.count || (moves && count > 0 && this.#clock() - others.when < WRITE_MS)) return;
    Object.assign(others, { count, when: this.#clock() });
    if (count > 0) this.#write(others.key, String(count));
    else this.#erase(others.key);
  }

  /** Returns the records, the newest first. */
  get all() {
    return [...this.#records.values()].sort(newestFirst);
  }

  get(id) {
    return this.#records.get(id);
  }

  has(id) {
    return this.#records.has(id);
  }

  /** Remembers a file. If it `moves`, at most one record is written every few seconds. */
  put({ id, path, size, lastModified, held, when = this.#clock() }, moves = false) {
    const old = this.#records.get(id);
    if (old && (old.held === held || (moves && when - old.when < WRITE_MS))) return;
    const record = { id, path, size, lastModified, held, when };
    this.#records.delete(id);
    this.#store(record);
    if (!old) this.#bound();
  }

  /** Corrects the number of bytes held. The file stays in its place: no byte has arrived. */
  correct(id, held) {
    const record = this.#records.get(id);
    if (record) this.#store({ ...record, held });
  }

  remove(id) {
    if (this.#records.delete(id)) this.#erase(this.#prefix + id);
  }

  /** Removes records that no byte was added to for `seconds`: the server has deleted their uploads. */
  expire(seconds) {
    const first = this.#clock() - seconds * 1000;
    for (const { id, when } of this.all) if (when < first) this.remove(id);
  }

  /** Takes over a change of another tab: the key and the new value of a storage event. Returns whether it matters. */
  changed(key, value) {
    // No key: the whole storage was emptied.
    if (key === null) this.#records.clear();
    if (key === null) return true;
    if (!key.startsWith(this.#prefix)) return false;
    const id = key.slice(this.#prefix.length);
    const record = value === null ? null : parsed(value, id);
    this.#records.delete(id);
    if (record) this.#records.set(id, record);
    return true;
  }

  #store(record) {
    this.#records.set(record.id, record);
    this.#write(this.#prefix + record.id, JSON.stringify(record));
  }

  #write(key, value) {
    try {
      this.#storage?.setItem(key, value);
    } catch {
      // The storage is full or forbidden.
    }
  }

  #erase(key) {
    try {
      this.#storage?.removeItem(key);
    } catch {
      // Nothing of an unreadable storage is shown.
    }
  }

  #load() {
    const all = entries(this.#storage);
    this.#hasCompleted = all.some(([key]) => key === this.#completedKey);
    this.#others.count = Number(all.find(([key]) => key === this.#others.key)?.[1]) || 0;
    const found = all.filter(([key]) => key.startsWith(this.#prefix))
      .map(([key, value]) => parsed(value, key.slice(this.#prefix.length))).filter(Boolean);
    found.sort((one, other) => one.when - other.when);
    this.#records = new Map(found.map((record) => [record.id, record]));
  }

  #bound() {
    while (this.#records.size > RECORDS_MAX) this.remove(this.#records.keys().next().value);
  }
}

/** Compares two records by time, the newest first; of one time, by id. */
export function newestFirst(one, other) {
  return other.when - one.when || (one.id < other.id ? -1 : 1);
}

/**
 * Returns whether a later visit could continue an upload. A small file takes one request, so it is remembered only if
 * that request was cut, or is being cut: the page is left.
 */
export function isUnfinished({ state, held, size, hasSent }, isLeaving = false) {
  if (!hasSent) return false;
  if (state === 'failed') return held > 0;
  if (state === 'retrying' || state === 'paused') return true;
  return size > SMALL_BYTES || isLeaving;
}

function ownStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}

function entries(storage) {
  try {
    const keys = Array.from({ length: storage?.length ?? 0 }, (_, at) => storage.key(at));
    return keys.filter(Boolean).map((key) => [key, storage.getItem(key)]);
  } catch {
    return [];
  }
}

// Other versions of the page and other programs may have written the value.
function parsed(value, id) {
  try {
    const { path, size, lastModified, held, when } = JSON.parse(value);
    const isWhole = typeof path === 'string' && [size, lastModified, held, when].every(Number.isFinite);
    return isWhole && size > 0 ? { id, path, size, lastModified, held: Math.min(held, size), when } : null;
  } catch {
    return null;
  }
}
