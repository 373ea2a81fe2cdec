// The files that this browser has begun to send and has not finished. If one is chosen again, it goes on. The last line has
// the number of those that were chosen and not begun.
//
// For tests and style sheets: `#begun li` has `data-name`, or the class `others` or `more`; `button[data-action]` is forget or
// undo.

import { newestFirst } from './begun.js';
import { fill, group, make, makeBar, makeIcon, makeName, setText, showName, showShare } from './elements.js';
import { Grace } from './grace.js';
import { shown } from './names.js';
import { SMALL_BYTES } from './plan.js';
import { addressOf } from './wire.js';

const SHOWN = 10;
const MORE = 50;
const PATIENCE_MS = 10_000;

export class Unfinished {
  #begun;
  #deletions;
  #words;
  #wire;
  #filesUrl;
  #on;
  #most = SHOWN;
  #items = new Map();
  /** The ids whose offset is known from the server. */
  #asked = new Set();
  #more = make('li', { className: 'more' });
  #others;

  /**
   * `isElsewhere(id)` is true for a file that the page lists already, or that another tab sends; `isBusy()`, if there are
   * any such files.
   */
  constructor({ begun, deletions, wire, server, words, isElsewhere, isBusy, announce }) {
    this.#begun = begun;
    this.#words = words;
    this.#deletions = deletions;
    this.#wire = wire;
    this.#filesUrl = new URL('files', addressOf(server));
    this.#on = { isElsewhere, isBusy, announce };
    const button = make('button', { type: 'button', className: 'quiet' });
    button.addEventListener('click', () => { this.#most += MORE; this.verify(); });
    this.#more.append(button);
    this.#others = makeOthers(words, () => { begun.setOthers(0); this.show(); });
  }

  show() {
    const records = this.#begun.all.filter(({ id }) => !this.#on.isElsewhere(id));
    const known = new Set(records.map(({ id }) => id));
    for (const [id, item] of this.#items) this.#settle(id, item, known.has(id));
    const undoable = [...this.#items.values()].filter(({ isUndoable }) => isUndoable);
    const items = [...undoable, ...records.slice(0, this.#most).map((record) => this.#item(record))];
    // A forgotten file stays in its place: its button, which has become "Undo", keeps the focus.
    const elements = items.sort((one, other) => newestFirst(one.record, other.record)).map(({ element }) => element);
    const hidden = records.length - this.#most;
    if (hidden > 0) setText(this.#more.firstElementChild, this.#words.moreBegun(hidden));
    if (hidden > 0) elements.push(this.#more);
    if (this.#begun.others > 0 && !this.#on.isBusy()) {
      setText(this.#others.firstElementChild, this.#words.othersLeft(this.#begun.others));
      elements.push(this.#others);
    }
    fill('begun', elements);
  }

  #settle(id, item, isKnown) {
    // A forgotten file that is chosen again, here or in another tab, is kept.
    if (item.isUndoable && (isKnown || this.#on.isElsewhere(id))) item.cancelDeletion();
    if (!isKnown && !item.isUndoable) this.#items.delete(id);
  }

  /** Asks the server about the files that are shown: one that it does not hold is forgotten. */
  async verify() {
    this.show();
    if (this.#begun.all.length === 0) return;
    try {
      if (this.#asked.size === 0) await this.#expire();
      for (const { id } of this.#begun.all.slice(0, this.#most)) if (!this.#asked.has(id)) await this.#ask(id);
    } catch {
      // The server does not answer: the list stays as it was remembered.
    }
    this.show();
  }

  async #ask(id) {
    if (this.#on.isElsewhere(id)) return;
    const { held, complete } = await this.#wire.status(id, AbortSignal.timeout(PATIENCE_MS));
    this.#asked.add(id);
    // The file may have been chosen meanwhile.
    if (this.#on.isElsewhere(id)) return;
    if (held === 0 || complete) this.#begun.remove(id);
    else this.#begun.correct(id, held);
    this.show();
  }

  async #expire() {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch(this.#filesUrl, { method: 'OPTIONS', cache: 'no-store', signal });
    const seconds = /max-age=(\d+)/.exec(answer.headers.get('Upload-Limit'))?.[1];
    if (seconds) this.#begun.expire(Number(seconds));
  }

  #item(record) {
    if (!this.#items.has(record.id)) this.#items.set(record.id, new Item(record, this.#words, this.#act(record.id)));
    const item = this.#items.get(record.id);
    item.show(record);
    return item;
  }

  #act(id) {
    return (action) => (action === 'forget' ? this.#forget(id) : this.#undo(id));
  }

  #forget(id) {
    const record = this.#begun.get(id);
    if (!record) return;
    const item = this.#items.get(id);
    this.#begun.remove(id);
    const end = () => {
      this.#items.delete(id);
      if (this.#on.isElsewhere(id)) return;
      this.#deletions.delete(record);
      this.show();
    };
    if (record.held > SMALL_BYTES) item.showForgotten(new Grace(end));
    else end();
    this.#on.announce(this.#words.forgotten(shown(record.path)));
    this.show();
  }

  #undo(id) {
    const item = this.#items.get(id);
    item.cancelDeletion();
    this.#begun.put(item.record);
    this.show();
  }
}

function makeOthers(words, forget) {
  const element = make('li', { className: 'others' });
  const button = make('button', { type: 'button', className: 'quiet', textContent: words.actions.forget });
  button.dataset.action = 'forget';
  button.addEventListener('click', forget);
  element.append(make('p', { className: 'numbers' }), button);
  return element;
}

let items = 0;

class Item {
  /** Set while the forgotten file can be restored. */
  grace = null;

  #words;
  #part;

  constructor(record, words, act) {
    this.#words = words;
    const called = shown(record.path);
    const id = `begun-${++items}`;
    const part = this.#part = {
      name: makeName('h3', { id }),
      bar: makeBar(id),
      numbers: make('p', { className: 'numbers' }),
      button: make('button', { type: 'button', className: 'quiet' }),
    };
    part.button.addEventListener('click', () => act(part.button.dataset.action));
    showName(part.name, called);
    this.element = make('li');
    this.element.dataset.name = called;
    this.element.append(makeIcon(called), group('head', part.name), part.bar, group('line', part.numbers, part.button));
  }

  get isUndoable() {
    return this.grace !== null;
  }

  cancelDeletion() {
    this.grace?.undo();
    this.grace = null;
  }

  show(record) {
    this.record = record;
    const { held, size, path } = record;
    showShare(this.#part.bar, held / size);
    const share = this.#words.shareOf(Math.floor(held / size * 100), this.#words.size(size));
    setText(this.#part.numbers, `${share} · ${this.#words.chooseAgain(shown(folderOf(path)))}`);
    this.#showButton('forget');
  }

  showForgotten(grace) {
    this.grace = grace;
    setText(this.#part.numbers, this.#words.deletedSoon);
    this.#showButton('undo');
  }

  #showButton(action) {
    const { button } = this.#part;
    button.dataset.action = action;
    setText(button, this.#words.actions[action]);
    button.setAttribute('aria-label', `${button.textContent} ${this.element.dataset.name}`);
  }
}

// The files of a folder are the same files only if the folder is chosen.
function folderOf(path) {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
}
