// Deletions of uploads on the server. One that got no answer is repeated when the server answers again, also on a later
// visit.

import { Begun } from './begun.js';

const PATIENCE_MS = 10_000;

export class Deletions {
  #records;
  #wire;
  #isWanted;
  #isRepeating = false;

  /** `server` is the whole address of a server. `isWanted(id)` is true for a file that the page or another tab sends. */
  constructor(server, wire, isWanted) {
    this.#records = new Begun(server, { kind: 'deleted' });
    this.#wire = wire;
    this.#isWanted = isWanted;
  }

  /** Deletes the upload of a record. */
  async delete(record) {
    this.add(record);
    await this.repeat();
  }

  /** Remembers a deletion for `repeat`. */
  add(record) {
    this.#records.put(record);
  }

  /** Keeps the upload of a file that was chosen again. */
  remove(id) {
    this.#records.remove(id);
  }

  /** Repeats the deletions that got no answer. */
  async repeat() {
    if (this.#isRepeating) return;
    this.#isRepeating = true;
    try {
      while (this.#records.all.length > 0) await this.#repeatOne(this.#records.all[0].id);
    } catch {
      // The server does not answer.
    } finally {
      this.#isRepeating = false;
    }
  }

  /** Takes over a change of another tab: the key and the new value of a storage event. */
  changed(key, value) {
    this.#records.changed(key, value);
  }

  async #repeatOne(id) {
    try {
      if (!this.#isWanted(id)) await this.#wire.forget(id, AbortSignal.timeout(PATIENCE_MS));
    } catch (error) {
      // A refusal is final, unless a person has to sign in first.
      if (error.passes !== false || error.kind === 'sign-in') throw error;
    }
    this.#records.remove(id);
  }
}
