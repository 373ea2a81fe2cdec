// One file in the list: turns the states of an Uploader into words, a bar and two buttons.
//
// For tests and style sheets: `li.file` has `data-name`, `data-state` (the states listed in uploader.js, and cancelling)
// and, with `retrying` and `failed`, `data-problem` (the kinds in problem.js); `button[data-action]` is one of pause,
// resume, retry, now, copy, cancel, undo, remove; `.status .words` says the state; `.bar` has `aria-valuenow`.

import { Contact } from './contact.js';
import { group, make, makeBar, makeName, setText, showName, showShare } from './elements.js';
import { Grace } from './grace.js';
import { shown } from './names.js';
import { SMALL_BYTES, Speed } from './plan.js';
import { clearIcon, showIcon } from './thumbs.js';
import { Uploader } from './uploader.js';

// Per state: the actions of the first and the second button.
const buttons = {
  waiting: ['pause', 'cancel'],
  checking: ['pause', 'cancel'],
  sending: ['pause', 'cancel'],
  comparing: ['pause', 'cancel'],
  retrying: ['now', 'cancel'],
  paused: ['resume', 'cancel'],
  failed: ['retry', 'cancel'],
  complete: [null, 'remove'],
  already: ['remove', 'copy'],
  cancelling: ['undo', null],
  cancelled: [null, 'remove'],
};

// The line above the list has the button for the next try.
const buttonsLost = ['pause', 'cancel'];
const buttonsFinal = [null, 'cancel'];

const active = new Set(['waiting', 'checking', 'sending', 'comparing', 'retrying']);
const moving = new Set(['checking', 'sending', 'comparing']);
const CHECKING_SHOWN_MS = 500;

/** The parts of hidden rows, for the next rows that are shown. */
const unused = [];
const UNUSED_MAX = 100;
let rows = 0;

export class Row {
  /** True if only `show` brings the element up to date. */
  isLazy = false;
  /** The element of this row, or null while the list does not show it. */
  element = null;

  #words;
  #part = null;
  #notice = '';
  #held = 0;
  #isStale = false;
  #speed = new Speed();
  #contact = new Contact();
  /** Set while the deletion of a cancelled upload can be undone. */
  #grace = null;
  #isDeleting = false;
  /** The timer of words that are shown only if their state lasts. */
  #later = 0;
  #on;
  /** True if the page says for all files that nothing arrives. */
  hidesSilence = false;

  /**
   * `onChange(row)` is called at every new state, `onSent(bytes)` when the server has confirmed so many more bytes,
   * `onGone(row)` when the row is to leave the list, `onUndeleted(row)` when a deletion failed, `onBuffering()` when a
   * proxy holds uploads back; `isBuffered()` is true then.
   */
  constructor({ file, path, copy }, { server, words, onChange, onSent, onGone, onUndeleted, onBuffering, isBuffered }) {
    this.#words = words;
    this.#on = { onChange, onSent, onGone, onUndeleted, isBuffered };
    this.uploader = new Uploader({
      file, path, server, ...(copy && { copy }),
      onProgress: (held) => this.#moved(held),
      onState: () => this.#stateChanged(),
      onNotice: (kind) => (kind === 'buffering' ? onBuffering() : this.#showNotice(words.notices[kind])),
    });
  }

  /** Returns the name as shown. The server gets the unchanged name. */
  get name() {
    return shown(this.uploader.path);
  }

  /** Returns the group of the row in a long list. */
  get group() {
    const { state } = this;
    if (this.done) return 'done';
    if (state === 'cancelling' || state === 'cancelled') return 'paused';
    return state === 'failed' || state === 'paused' || state === 'waiting' ? state : 'active';
  }

  /** Returns the state of the upload, or cancelling while its deletion is under way or can be undone. */
  get state() {
    return this.#grace || this.#isDeleting ? 'cancelling' : this.uploader.state;
  }

  /** True if the last request got no answer. */
  get isLost() {
    return this.#contact.isLost;
  }

  /** True if bytes are sent, and none arrives. */
  get isSilent() {
    return this.#contact.isSilent(this.uploader.file.size, now()) && !this.#on.isBuffered();
  }

  /** True while the upload sends, checks or compares, and the server answers. */
  get isMoving() {
    return moving.has(this.state) && !this.isLost;
  }

  /** True if a later visit could send the file. */
  get isLeft() {
    return !this.done && this.state !== 'cancelling' && this.state !== 'cancelled' && !this.uploader.problem?.isFinal;
  }

  /** True if bytes of the file were sent. */
  get hasSent() {
    return this.#contact.hasSent;
  }

  /** Returns the element of the row, brought up to date; a hidden row gets one. */
  show() {
    if (this.element) {
      if (this.#isStale) this.#showState();
      return this.element;
    }
    this.#part = unused.pop() ?? partsOfRow();
    this.#part.owner = { act: (action) => this.#act(action) };
    this.element = this.#part.element;
    this.element.dataset.name = this.name;
    showName(this.#part.name, this.name);
    showIcon(this.#part.icon, this.uploader.file, this.name);
    setText(this.#part.whose, `${this.name}: `);
    setText(this.#part.size, this.#words.size(this.uploader.file.size));
    setText(this.#part.notice, this.#notice);
    this.#part.notice.hidden = !this.#notice;
    this.#showState();
    return this.element;
  }

  /** Gives the element to the next row that is shown: thousands of elements make a page slow. */
  hide() {
    clearTimeout(this.#later);
    this.#later = 0;
    if (this.#part) {
      clearIcon(this.#part.icon);
      if (unused.length < UNUSED_MAX) unused.push(this.#part);
    }
    this.element = this.#part = null;
  }

  /** Hides the advice if `above`, the row before, gives the same. Of many failures, most have one reason. */
  abridge(above) {
    const { advice } = this.#part;
    this.element.classList.toggle('abridged', !advice.hidden && above?.#part.advice.textContent === advice.textContent);
  }

  /** Draws the eye to the row: its file was chosen again. */
  flash() {
    this.element?.animate([{ outline: '3px solid', outlineColor: 'currentcolor' }, { outlineColor: 'transparent' }], 900);
  }

  get active() {
    return active.has(this.state);
  }

  get done() {
    return this.uploader.state === 'complete' || this.uploader.state === 'already';
  }

  /** Bytes a second, as far as the server has confirmed them. */
  get speed() {
    return this.uploader.state === 'sending' ? this.#speed.at(now()) : 0;
  }

  start() {
    // An error arrives as the state `failed`.
    this.uploader.upload().catch(() => {});
  }

  pause() {
    this.uploader.stop();
  }

  /** Keeps a cancelled upload whose deletion can still be undone: its file was chosen again. */
  cancelDeletion() {
    this.#grace?.undo();
    this.#grace = null;
  }

  #act(action) {
    if (this.#isDeleting) return;
    if (action === 'pause') this.pause();
    if (action === 'resume' || action === 'retry') this.start();
    if (action === 'now') this.uploader.wake();
    if (action === 'copy') this.uploader.sendAgain().catch(() => {});
    if (action === 'cancel') this.#cancel();
    if (action === 'undo') this.#undo();
    if (action === 'remove') this.#on.onGone(this);
  }

  #cancel() {
    // So few bytes are sent again in a moment.
    if (this.uploader.held <= SMALL_BYTES) {
      this.#delete();
      return;
    }
    this.pause();
    this.#grace = new Grace(() => this.#delete());
    this.#stateChanged();
  }

  #undo() {
    this.cancelDeletion();
    this.start();
  }

  async #delete() {
    this.cancelDeletion();
    this.#isDeleting = true;
    this.#stateChanged();
    const isDeleted = await this.uploader.cancel().then(() => true, () => false);
    this.#isDeleting = false;
    if (isDeleted) {
      this.#on.onGone(this);
      return;
    }
    this.#on.onUndeleted(this);
    this.#showNotice(this.#words.notForgotten);
    this.#stateChanged();
  }

  #moved(held) {
    this.#speed.add(now(), held);
    // Other bytes are those of an earlier visit.
    if (this.uploader.state === 'sending' && held > this.#held) this.#on.onSent(held - this.#held);
    this.#held = held;
    this.#contact.move(held, now());
  }

  #stateChanged() {
    const { state } = this;
    this.#contact.enter(this.uploader.state, this.uploader.problem, now());
    clearTimeout(this.#later);
    this.#later = 0;
    if (state === 'waiting' || state === 'retrying') this.#speed.clear();
    this.#isStale = true;
    this.#on.onChange(this);
    // Of a thousand files, each would change its row several times a second.
    if (this.isLazy) return;
    if (this.element) this.element.dataset.state = state;
    // The request is mostly short: words that appear and disappear disturb, above all with a screen reader.
    if (state === 'checking' || state === 'comparing') this.#later = setTimeout(() => this.#showLate(), CHECKING_SHOWN_MS);
    else this.#showState();
  }

  #showLate() {
    this.#later = 0;
    this.#showState();
  }

  #showState() {
    this.#isStale = false;
    if (!this.element) return;
    const { state } = this;
    const { problem } = this.uploader;
    this.element.dataset.state = state;
    if (problem) this.element.dataset.problem = problem.kind;
    else delete this.element.dataset.problem;
    const [first, second] = this.#buttons(state, problem);
    this.#showButton(this.#part.first, first);
    this.#showButton(this.#part.second, second);
    this.refresh();
  }

  #buttons(state, problem) {
    if (this.isLost) return buttonsLost;
    const isFinal = this.#isDeleting || (state === 'failed' && problem?.isFinal);
    return isFinal ? buttonsFinal : buttons[state];
  }

  #showTexts() {
    const [what, advice] = this.#texts();
    setText(this.#part.said, what);
    setText(this.#part.advice, advice);
    this.#part.advice.hidden = !advice;
  }

  /** Returns [event, advice]. */
  #texts() {
    const words = this.#words;
    const { state, uploader: { problem, compared } } = this;
    if (this.isLost) return [words.waitsForServer, ''];
    if (problem) return words.problemOf(problem);
    if (this.isSilent && !this.hidesSilence) return [words.nothingArrives, ''];
    return [words.states[state === 'already' && !compared ? 'uncompared' : state], this.done ? this.#savedAs() : ''];
  }

  /** Returns the name on the server, if it is another one. */
  #savedAs() {
    const { path, savedAs } = this.uploader;
    return savedAs && savedAs.normalize('NFC') !== path ? this.#words.savedAs(shown(savedAs)) : '';
  }

  // The same two elements all the time, so that the focus of the keyboard stays.
  #showButton(button, action) {
    button.hidden = !action;
    if (!action) return;
    button.dataset.action = action;
    setText(button, this.#words.actions[action]);
    button.title = button.textContent;
    button.setAttribute('aria-label', `${button.textContent} ${this.name}`);
  }

  #showNotice(text) {
    this.#notice = text;
    if (!this.#part) return;
    this.#part.notice.hidden = false;
    setText(this.#part.notice, text);
  }

  /** Brings words, bar and numbers up to date; called several times a second. */
  refresh() {
    if (!this.#part || this.#isStale) return;
    if (!this.#later) this.#showTexts();
    const { held, file } = this.uploader;
    const share = file.size ? held / file.size : Number(this.done);
    showShare(this.#part.bar, share);
    setText(this.#part.numbers, this.#numbers(held, file.size));
  }

  #numbers(held, total) {
    const words = this.#words;
    const speed = this.speed;
    const parts = [];
    if (this.#grace) parts.push(words.time((this.#grace.endsAt - Date.now()) / 1000));
    if (this.uploader.state === 'retrying' && !this.isLost) {
      parts.push(words.retryIn(Math.max(1, Math.ceil((this.uploader.retryAt - Date.now()) / 1000))));
    }
    if (held > 0 && held < total) parts.push(words.size(held), `${Math.floor(held / total * 100)} %`);
    if (speed > 0) parts.push(`${words.size(speed)}/s`, words.left(words.time((total - held) / speed)));
    return parts.join(' · ');
  }
}

function now() {
  return performance.now() / 1000;
}

/** Makes the elements of a row. The buttons call `owner.act(action)`. */
function partsOfRow() {
  const id = `file-${++rows}`;
  const part = {
    owner: null,
    element: make('li', { className: 'file' }),
    icon: make('span', { className: 'icon', 'aria-hidden': true }),
    name: makeName('h3', { id }),
    size: make('span', { className: 'size' }),
    bar: makeBar(id),
    whose: make('span', { className: 'unseen' }),
    said: make('span', { className: 'words' }),
    status: make('p', { className: 'status' }),
    numbers: make('p', { className: 'numbers' }),
    advice: make('p', { className: 'advice', hidden: true }),
    notice: make('p', { className: 'notice', hidden: true }),
    first: make('button', { type: 'button', className: 'first' }),
    second: make('button', { type: 'button', className: 'second quiet' }),
  };
  part.status.append(part.whose, part.said);
  for (const button of [part.first, part.second]) {
    button.addEventListener('click', () => part.owner.act(button.dataset.action));
  }
  part.element.append(
    part.icon, group('head', part.name, part.size), part.bar, group('line', part.status, part.numbers),
    part.advice, part.notice, group('buttons', part.first, part.second),
  );
  return part;
}
