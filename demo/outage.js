// One line above the list while the server does not answer: all files wait for the same server.
//
// For tests and style sheets: `#outage` has `data-problem` (gone, offline or silent).

import { setText } from './elements.js';

// A single cut connection is no outage.
const SHOWN_AFTER_MS = 1500;

export class Outage {
  #element = document.getElementById('outage');
  #words;
  #announce;
  #lost = new Set();
  #since = 0;
  /** The problem of this outage. */
  #kind = null;

  constructor(words, announce) {
    this.#words = words;
    this.#announce = announce;
    const button = this.#element.querySelector('button');
    setText(button, words.actions.now);
    button.addEventListener('click', () => this.wake());
  }

  /** Ends the pauses of all uploads that wait for the server. */
  wake() {
    for (const row of this.#lost) row.uploader.wake();
  }

  show(rows) {
    const sending = rows.filter((row) => row.uploader.state === 'sending');
    const before = this.#lost;
    this.#lost = new Set(rows.filter((row) => row.isLost));
    // One of the files got an answer: the others need not wait.
    if ([...before].some((row) => row.done || row.uploader.state === 'sending')) this.wake();
    if (this.#lost.size === 0) {
      this.#since = 0;
      this.#kind = null;
    } else this.#since ||= Date.now();
    const isLost = this.#since > 0 && Date.now() - this.#since >= SHOWN_AFTER_MS;
    const isSilent = this.#lost.size === 0 && sending.length > 1 && sending.every((row) => row.isSilent);
    for (const row of sending) row.hidesSilence = isSilent;
    if (isLost) this.#showLost([...this.#lost]);
    else this.#show(isSilent ? 'silent' : '', this.#words.allSilent);
  }

  #showLost(rows) {
    const paused = rows.filter((row) => row.uploader.state === 'retrying');
    this.#kind = steadyKind(this.#kind, paused.map((row) => row.uploader.problem.kind));
    this.#show(this.#kind, this.#words.problems[this.#kind]);
    const next = Math.min(...paused.map((row) => row.uploader.retryAt));
    const seconds = Math.max(1, Math.ceil((next - Date.now()) / 1000));
    setText(this.#element.querySelector('.numbers'), paused.length > 0 ? this.#words.retryIn(seconds) : this.#words.trying);
  }

  #show(kind, [what, advice]) {
    const element = this.#element;
    if (element.dataset.problem === kind) return;
    element.dataset.problem = kind;
    element.hidden = !kind;
    setText(element.querySelector('strong'), what);
    setText(element.querySelector('.advice'), advice);
    setText(element.querySelector('.numbers'), '');
    element.querySelector('button').hidden = kind === 'silent';
    if (kind) this.#announce(`${what} ${advice}`);
  }
}

/**
 * Returns the kind to show: `last`, the one shown before, as long as a file has it or all files are trying. The line would
 * else change with each attempt.
 */
export function steadyKind(last, kinds) {
  if (last && (kinds.length === 0 || kinds.includes(last))) return last;
  return kinds[0] ?? 'gone';
}
