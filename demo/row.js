// One file in the list: turns the states of an Uploader into words, a bar and two buttons.
//
// For tests and style sheets: `li.file` has `data-name`, `data-state` (the states listed in uploader.js) and, with
// `retrying` and `failed`, `data-problem` (the kinds in problem.js); `button[data-action]` is one of pause, resume,
// retry, now, again, cancel, remove; `.status .words` says the state; `.bar` has `aria-valuenow`.

import { partsOf, shown } from './names.js';
import { Speed } from './plan.js';
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
  already: ['again', 'remove'],
  cancelled: [null, 'remove'],
};

// A File whose bytes changed on disk cannot be read any more: a retry would fail in the same way.
const buttonsFileChanged = [null, 'cancel'];

const active = new Set(['waiting', 'checking', 'sending', 'comparing', 'retrying']);
const CHECKING_SHOWN_MS = 500;

/** The parts of hidden rows. */
const unused = [];
let rows = 0;

export class Row {
  /** The element of this row, or null while the list does not show it. */
  element = null;

  #words;
  #part = null;
  #notice = '';
  #held = 0;
  #speed = new Speed();
  #on;

  /**
   * `onChange()` is called at every new state, `onSent(bytes)` when the server has confirmed so many more bytes,
   * `onGone(row)` when the row is to leave the list, `onBuffering()` when a proxy holds uploads back.
   */
  constructor({ file, path }, { server, words, onChange, onSent, onGone, onBuffering }) {
    this.#words = words;
    this.#on = { onChange, onSent, onGone };
    this.uploader = new Uploader({
      file, path, server,
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
    const { state } = this.uploader;
    if (this.done || state === 'cancelled') return 'done';
    return state === 'failed' || state === 'paused' || state === 'waiting' ? state : 'active';
  }

  /** Returns the element of the row; a hidden row gets one. */
  show() {
    if (this.element) return this.element;
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
    this.#showState(this.uploader.state);
    return this.element;
  }

  /** Gives the element to the next row that is shown: thousands of elements make a page slow. */
  hide() {
    clearTimeout(this.later);
    if (this.#part) {
      clearIcon(this.#part.icon);
      unused.push(this.#part);
    }
    this.element = this.#part = null;
  }

  /** Draws the eye to the row: its file was chosen again. */
  flash() {
    this.element?.animate([{ outline: '3px solid', outlineColor: 'currentcolor' }, { outlineColor: 'transparent' }], 900);
  }

  get active() {
    return active.has(this.uploader.state);
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

  #act(action) {
    if (action === 'pause') this.pause();
    if (action === 'resume' || action === 'retry') this.start();
    if (action === 'now') this.uploader.wake();
    if (action === 'again') this.uploader.sendAgain().catch(() => {});
    if (action === 'cancel') this.#cancel();
    if (action === 'remove') this.#on.onGone(this);
  }

  async #cancel() {
    for (const button of this.element.querySelectorAll('button')) button.disabled = true;
    try {
      await this.uploader.cancel();
      this.#on.onGone(this);
    } catch {
      this.#showNotice(this.#words.notForgotten);
    }
  }

  #moved(held) {
    this.#speed.add(now(), held);
    // Other bytes are those of an earlier visit.
    if (this.uploader.state === 'sending' && held > this.#held) this.#on.onSent(held - this.#held);
    this.#held = held;
  }

  #stateChanged() {
    const { state } = this.uploader;
    clearTimeout(this.later);
    if (state === 'waiting' || state === 'retrying') this.#speed.clear();
    if (this.element) this.element.dataset.state = state;
    // The request is mostly short: words that appear and disappear disturb, above all with a screen reader.
    if (state === 'checking' || state === 'comparing') this.later = setTimeout(() => this.#showState(state), CHECKING_SHOWN_MS);
    else this.#showState(state);
    this.#on.onChange();
  }

  #showState(state) {
    if (!this.element) return;
    const { problem } = this.uploader;
    this.element.dataset.state = state;
    if (problem) this.element.dataset.problem = problem.kind;
    else delete this.element.dataset.problem;
    const { problems, states } = this.#words;
    // An error without a kind is a fault of this page: its own words are better than none.
    const [what, advice] = problem ? problems[problem.kind] ?? [problem.message, '']
      : [states[state === 'already' && !this.uploader.compared ? 'uncompared' : state], ''];
    setText(this.#part.said, what);
    setText(this.#part.advice, problem?.said ? `${advice} ${this.#words.said(problem.said)}` : advice);
    this.#part.advice.hidden = !advice;
    const changed = state === 'failed' && problem?.kind === 'file-changed';
    const [first, second] = changed ? buttonsFileChanged : buttons[state];
    this.#showButton(this.#part.first, first);
    this.#showButton(this.#part.second, second);
    this.refresh();
  }

  // The same two elements all the time, so that the focus of the keyboard stays.
  #showButton(button, action) {
    button.hidden = !action;
    if (!action) return;
    button.disabled = false;
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

  /** Brings bar and numbers up to date; called several times a second. */
  refresh() {
    if (!this.#part) return;
    const { held, file } = this.uploader;
    const share = file.size ? held / file.size : Number(this.done);
    showShare(this.#part.bar, share);
    setText(this.#part.numbers, this.#numbers(held, file.size));
  }

  #numbers(held, total) {
    const words = this.#words;
    const speed = this.speed;
    const parts = [];
    if (this.uploader.state === 'retrying') {
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
    bar: make('div', {
      className: 'bar', role: 'progressbar', 'aria-labelledby': id, 'aria-valuemin': 0, 'aria-valuemax': 100,
    }),
    whose: make('span', { className: 'unseen' }),
    said: make('span', { className: 'words' }),
    status: make('p', { className: 'status' }),
    numbers: make('p', { className: 'numbers' }),
    advice: make('p', { className: 'advice', hidden: true }),
    notice: make('p', { className: 'notice', hidden: true }),
    first: make('button', { type: 'button', className: 'first' }),
    second: make('button', { type: 'button', className: 'second quiet' }),
  };
  part.bar.append(make('div'));
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

/** An element with properties, and with attributes where it has none for them. */
export function make(tag, properties = {}) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'role' || key.startsWith('aria-')) element.setAttribute(key, value);
    else element[key] = value;
  }
  return element;
}

/** Returns an element for a name, in two parts: see `partsOf`. */
export function makeName(tag, properties) {
  const element = make(tag, { ...properties, className: 'name', dir: 'auto' });
  element.append(make('span'), make('span'));
  return element;
}

export function showName(element, name) {
  if (element.title === name) return;
  element.title = name;
  // Screen readers would make two words of it.
  element.setAttribute('aria-label', name);
  partsOf(name).forEach((part, at) => setText(element.children[at], part));
}

/** Returns an element with children. */
export function group(className, ...children) {
  const element = make('div', { className });
  element.append(...children);
  return element;
}

/** Fills a progress bar; `share` is in 0..1. */
export function showShare(bar, share) {
  const percent = Math.floor(share * 100);
  const fill = `scaleX(${share})`;
  if (bar.firstElementChild.style.transform !== fill) bar.firstElementChild.style.transform = fill;
  if (bar.getAttribute('aria-valuenow') === String(percent)) return;
  bar.setAttribute('aria-valuenow', percent);
  bar.setAttribute('aria-valuetext', `${percent} %`);
}

// Only if the text differs: a screen reader may read an equal text again.
export function setText(element, text) {
  const only = element.childNodes.length === 1 ? element.firstChild : null;
  if (element.textContent === text) return;
  // A changed text node is no new node.
  if (only?.nodeType === Node.TEXT_NODE) only.data = text;
  else element.textContent = text;
}
