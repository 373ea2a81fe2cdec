// Two lists below the page's own files: uploads of others, and complete files. An empty list is hidden.
//
// For tests and style sheets: `#under-way li` and `#arrived li` have `data-name`; the former `data-state` too: sending,
// silent (no byte for some seconds) or left (without a sending client); `.bar` has `aria-valuenow`.

import { fill, group, make, makeBar, makeIcon, makeName, setText, showName, showShare } from './elements.js';
import { shown } from './names.js';
import { Speed } from './plan.js';

const SILENT_SECONDS = 5;
// An upload has no sending client for a moment between two requests.
const LEFT_SECONDS = 3;
const LEFT_SHOWN_SECONDS = 60;

export class Recent {
  #words;
  #on;
  /** The shown uploads, by name and length. */
  #sent = new Map();
  /** The shown complete files, by path. */
  #files = new Map();
  /** The age of each complete file in the last answer; null before the first answer. */
  #known = null;

  /**
   * `isOwn(name, length)` is true for files in this page's own list: they are not shown here. `isBegun(name, length)` is
   * true for files that this browser has begun: they are not shown as under way. `onNews(paths)` is called
   * when files of others are complete.
   */
  constructor({ words, isOwn, isBegun, onNews }) {
    this.#words = words;
    this.#on = { isOwn, isBegun, onNews };
  }

  /** Shows an answer of `/recent`: see src/protocol/pages/recent.rs. */
  show(lists) {
    const isOthers = ({ name, length }) => !this.#on.isOwn(name, length);
    const arrived = lists.arrived.filter(isOthers);
    this.#tellNews(lists.arrived, arrived);
    const underWay = lists.under_way.filter(isOthers).filter(({ name, length }) => !this.#on.isBegun(name, length));
    this.#showSent(underWay, lists.arrived);
    this.#showArrived(arrived);
  }

  /** Shows nothing: the server does not answer. */
  hide() {
    this.#sent.clear();
    fill('under-way', []);
    fill('arrived', []);
  }

  #tellNews(all, others) {
    const isNews = ({ path, ago_secs }) => !(this.#known.get(path) <= ago_secs);
    const news = this.#known ? others.filter(isNews).map(({ path }) => shown(path)) : [];
    this.#known = new Map(all.map(({ path, ago_secs }) => [path, ago_secs]));
    if (news.length > 0) this.#on.onNews(news);
  }

  #showSent(uploads, arrived) {
    const seen = new Set();
    for (const upload of uploads) {
      let key = JSON.stringify([upload.name, upload.length]);
      while (seen.has(key)) key += '+';
      seen.add(key);
      if (!this.#sent.has(key)) this.#sent.set(key, new Sent(upload, this.#words));
      this.#sent.get(key).show(upload);
    }
    for (const [key, sent] of this.#sent) {
      if (seen.has(key)) continue;
      const isOver = arrived.some((file) => sent.is(file)) || this.#on.isOwn(sent.name, sent.length)
        || this.#on.isBegun(sent.name, sent.length);
      if (isOver || !sent.showLeft()) this.#sent.delete(key);
    }
    fill('under-way', [...this.#sent.values()].map(({ element }) => element));
  }

  #showArrived(files) {
    const rows = files.map((file) => [file.path, this.#files.get(file.path) ?? new Arrived(file)]);
    files.forEach((file, at) => rows[at][1].show(file, this.#words));
    this.#files = new Map(rows);
    fill('arrived', rows.map(([, { element }]) => element));
  }
}

let rows = 0;

/** A running upload of another client. */
class Sent {
  #words;
  #part;
  #speed = new Speed();
  #seen = 0;

  constructor({ name, length }, words) {
    this.#words = words;
    this.name = name;
    this.length = length;
    const called = shown(name ?? words.unnamed);
    const id = `sent-${++rows}`;
    const part = this.#part = {
      name: makeName('h3', { id }),
      bar: makeBar(id),
      status: make('p', { className: 'status' }),
      numbers: make('p', { className: 'numbers' }),
    };
    part.bar.hidden = length === null;
    showName(part.name, called);
    this.element = make('li');
    this.element.dataset.name = called;
    this.element.append(makeIcon(called), group('head', part.name), part.bar, group('line', part.numbers, part.status));
  }

  /** Returns true if this complete file is the result of the upload. */
  is({ name, length }) {
    return this.name === name && (this.length ?? length) === length;
  }

  show({ offset, idle_secs }) {
    const words = this.#words;
    this.#seen = seconds();
    this.#speed.add(this.#seen, offset);
    const speed = this.#speed.at(this.#seen);
    const silent = idle_secs >= SILENT_SECONDS;
    this.#enter(silent ? 'silent' : 'sending', silent ? words.silent(words.time(idle_secs)) : '');
    const parts = [this.length === null ? words.size(offset) : words.amount(words.size(offset), words.size(this.length))];
    if (this.length > 0) {
      showShare(this.#part.bar, offset / this.length);
      parts.push(`${Math.floor(offset / this.length * 100)} %`);
    }
    if (speed > 0) parts.push(`${words.size(speed)}/s`);
    if (speed > 0 && this.length > 0) parts.push(words.left(words.time((this.length - offset) / speed)));
    setText(this.#part.numbers, parts.join(' · '));
  }

  /** The upload has no sending client. Returns true if it is still shown. */
  showLeft() {
    const since = seconds() - this.#seen;
    if (since > LEFT_SECONDS) {
      this.#speed.clear();
      this.#enter('left', this.#words.nobodySends);
    }
    return since < LEFT_SHOWN_SECONDS;
  }

  #enter(state, text) {
    this.element.dataset.state = state;
    setText(this.#part.status, text);
  }
}

/** A complete file. */
class Arrived {
  #numbers = make('p', { className: 'numbers' });

  constructor({ path }) {
    this.element = make('li');
    const called = this.element.dataset.name = shown(path);
    const name = makeName('h3');
    showName(name, called);
    this.element.append(makeIcon(called), group('head', name, this.#numbers));
  }

  show({ length, ago_secs }, words) {
    const ago = ago_secs < 60 ? words.justNow : words.ago(words.time(ago_secs));
    setText(this.#numbers, `${words.size(length)} · ${ago}`);
  }
}

function seconds() {
  return performance.now() / 1000;
}
