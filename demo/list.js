// The list of chosen files. Up to FEW files have a row each, in the order in which they were chosen. A longer list is
// in groups: failed, active, paused, waiting, done. Each group shows some rows, and more on request; the rows of the done
// files are folded. A browser is slow with thousands of rows.
//
// For tests and style sheets: `#files.many` is a list in groups; the button of `li.fold` unfolds the done files; the
// button of `li.more[data-group]` counts the hidden rows of a group, and shows more of them.

import { arrange, make, setText } from './elements.js';

const FEW = 10;
const SHOWN_OF_A_GROUP = 20;
const SHOWN_MORE = 100;
const GROUPS = ['failed', 'active', 'paused', 'waiting', 'done'];

export class FileList {
  #element;
  #words;
  #rows = new Map();
  /** The number of rows by the keys of `has`. */
  #files = new Map();
  #shown = new Set();
  #groups = new Map(GROUPS.map((group) => [group, { most: SHOWN_OF_A_GROUP, more: null }]));
  #fold = null;
  #unfolded = false;
  /** The row that is shown whatever its place in a group is. */
  #revealed = null;

  constructor(element, words) {
    this.#element = element;
    this.#words = words;
  }

  get rows() {
    return [...this.#rows.values()];
  }

  /** True if the list is in groups. */
  get isMany() {
    return this.#rows.size > FEW;
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
    const { id } = row.uploader;
    const old = this.#rows.get(id);
    if (old) this.#drop(old);
    else this.#count(row, 1);
    this.#rows.set(id, row);
  }

  /** Removes a row, unless another one took its place. */
  remove(row) {
    const { id } = row.uploader;
    if (this.#rows.get(id) !== row) return;
    this.#drop(row);
    this.#rows.delete(id);
    this.#count(row, -1);
  }

  /** Brings a row into view, also out of a folded group. */
  reveal(row) {
    this.#revealed = row;
    this.show();
    const { element } = row;
    const { top, bottom } = element.getBoundingClientRect();
    // Below the header, which covers the first rows.
    const header = document.getElementById('job').getBoundingClientRect().bottom;
    if (top < header || bottom > innerHeight) element.scrollIntoView({ block: 'center' });
  }

  /** Brings the elements up to date with the states of the rows. */
  show() {
    const { isMany } = this;
    this.#element.classList.toggle('many', isMany);
    const wanted = isMany ? this.#inGroups() : this.rows;
    const rows = new Set(wanted.filter((item) => this.#isRow(item)));
    for (const row of this.#shown) if (!rows.has(row)) this.#drop(row);
    this.#shown = rows;
    for (const row of rows) row.isLazy = isMany;
    arrange(this.#element, wanted.map((item) => (this.#isRow(item) ? item.show() : item)));
    const shown = [...rows];
    shown.forEach((row, at) => row.abridge(isMany ? shown[at - 1] : null));
  }

  #isRow(item) {
    return !(item instanceof Element);
  }

  /** Returns rows, and the elements that fold and count the others. */
  #inGroups() {
    const groups = Object.fromEntries(GROUPS.map((group) => [group, []]));
    // A row with the focus stays: the keyboard would start anew.
    const focused = document.activeElement?.closest('.file');
    for (const row of this.#rows.values()) groups[row.group].push(row);
    return GROUPS.flatMap((group) => {
      const rows = groups[group];
      if (rows.length === 0) return [];
      const isFold = group === 'done';
      const most = isFold && !this.#unfolded ? 0 : this.#groups.get(group).most;
      const some = rows.filter((row, at) => at < most || row === this.#revealed || (focused && row.element === focused));
      const hidden = rows.length - some.length;
      const before = isFold ? [this.#showFold(rows.length)] : [];
      return [...before, ...some, ...(hidden > 0 && most > 0 ? [this.#showMore(group, hidden)] : [])];
    });
  }

  #showFold(number) {
    this.#fold ??= this.#makeButton('fold', 'done', () => { this.#unfolded = !this.#unfolded; });
    setText(this.#fold.firstElementChild, this.#words.groups.done(number));
    this.#fold.firstElementChild.setAttribute('aria-expanded', this.#unfolded);
    return this.#fold;
  }

  #showMore(name, hidden) {
    const group = this.#groups.get(name);
    group.more ??= this.#makeButton('more', name, () => { group.most += SHOWN_MORE; });
    setText(group.more.firstElementChild, this.#words.moreRows(hidden));
    return group.more;
  }

  #makeButton(className, group, onClick) {
    const element = make('li', { className });
    element.dataset.group = group;
    const button = make('button', { type: 'button', className: 'quiet' });
    button.addEventListener('click', () => { onClick(); this.show(); });
    element.append(button);
    return element;
  }

  #count({ uploader: { path, file } }, change) {
    const key = keyOf(path, file.size);
    this.#files.set(key, (this.#files.get(key) ?? 0) + change);
    if (this.#files.get(key) === 0) this.#files.delete(key);
  }

  #drop(row) {
    row.element?.remove();
    row.hide();
    this.#shown.delete(row);
    if (this.#revealed === row) this.#revealed = null;
  }
}

function keyOf(path, length) {
  return `${length} ${path}`;
}
