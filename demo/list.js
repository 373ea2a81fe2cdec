// The list of chosen files. Up to FEW files have a row each, in the order in which they were chosen. A longer list is
// in groups: failed, active, paused, waiting, done. Each group shows some rows and counts the rest: a browser is slow
// with thousands of rows.
//
// For tests and style sheets: `#files.many` is a list in groups; `li.more[data-group]` counts the hidden rows of a group.

import { make, setText } from './row.js';

const FEW = 20;
const SHOWN_OF_A_GROUP = 20;
const GROUPS = ['failed', 'active', 'paused', 'waiting', 'done'];

export class FileList {
  #element;
  #words;
  #rows = new Map();
  /** The keys of `has`. */
  #files = new Set();
  #shown = new Set();
  #more = new Map();
  #unfolded = false;

  constructor(element, words) {
    this.#element = element;
    this.#words = words;
  }

  get rows() {
    return [...this.#rows.values()];
  }

  find(id) {
    return this.#rows.get(id);
  }

  /** Returns whether a file with this path and length is in the list. */
  has(path, length) {
    return this.#files.has(keyOf(path, length));
  }

  /** Adds a row. It takes the place of a row of the same file. */
  add(row) {
    const { id, path, file } = row.uploader;
    const old = this.#rows.get(id);
    if (old) this.#drop(old);
    this.#rows.set(id, row);
    this.#files.add(keyOf(path, file.size));
  }

  remove(row) {
    const { id, path, file } = row.uploader;
    this.#drop(row);
    this.#rows.delete(id);
    this.#files.delete(keyOf(path, file.size));
  }

  /** Brings the elements up to date with the states of the rows. */
  show() {
    const isMany = this.#rows.size > FEW;
    this.#element.classList.toggle('many', isMany);
    const wanted = isMany ? this.#inGroups() : this.rows;
    const rows = new Set(wanted.filter((item) => this.#isRow(item)));
    for (const row of this.#shown) if (!rows.has(row)) this.#drop(row);
    this.#shown = rows;
    this.#arrange(wanted.map((item) => (this.#isRow(item) ? item.show() : item)));
  }

  #isRow(item) {
    return !(item instanceof Element);
  }

  /** Returns rows, and the elements that count the others. */
  #inGroups() {
    const groups = Object.fromEntries(GROUPS.map((group) => [group, []]));
    for (const row of this.#rows.values()) groups[row.group].push(row);
    return GROUPS.flatMap((group) => {
      const rows = groups[group];
      const isFolded = group === 'done' && !this.#unfolded;
      const some = isFolded ? [] : rows.slice(group === 'done' ? -SHOWN_OF_A_GROUP : 0).slice(0, SHOWN_OF_A_GROUP);
      const hidden = rows.length - some.length;
      return hidden > 0 ? [...some, this.#counter(group, hidden)] : some;
    });
  }

  #counter(group, hidden) {
    if (!this.#more.has(group)) this.#more.set(group, this.#makeCounter(group));
    const counter = this.#more.get(group);
    setText(counter.firstElementChild, this.#words.more[group](hidden));
    return counter;
  }

  #makeCounter(group) {
    const counter = make('li', { className: 'more' });
    counter.dataset.group = group;
    if (group !== 'done') {
      counter.append(make('span'));
      return counter;
    }
    const button = make('button', { type: 'button', className: 'quiet' });
    button.addEventListener('click', () => { this.#unfolded = !this.#unfolded; this.show(); });
    counter.append(button);
    return counter;
  }

  /** Puts `elements` into the list, and moves no element that is in its place. */
  #arrange(elements) {
    const focused = document.activeElement;
    const wanted = new Set(elements);
    for (const child of [...this.#element.children]) if (!wanted.has(child)) child.remove();
    elements.forEach((element, at) => {
      const child = this.#element.children[at];
      if (child !== element) this.#element.insertBefore(element, child ?? null);
    });
    if (focused !== document.activeElement && this.#element.contains(focused)) focused.focus();
  }

  #drop(row) {
    row.element?.remove();
    row.hide();
    this.#shown.delete(row);
  }
}

function keyOf(path, length) {
  return `${length} ${path}`;
}
