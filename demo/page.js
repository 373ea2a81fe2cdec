// The page: takes files and folders from the pickers and from drops.
// uploader.js sends a file, row.js shows one, list.js shows many, job.js all of them in one header, recent.js the uploads
// of others.

import { announce } from './announce.js';
import { Begun, isUnfinished } from './begun.js';
import { Deletions } from './deletions.js';
import { passFocus, setText } from './elements.js';
import { chosen, dropped } from './folders.js';
import { Job } from './job.js';
import { FileList } from './list.js';
import { Outage } from './outage.js';
import { Recent } from './recent.js';
import { Row } from './row.js';
import { Tabs } from './tabs.js';
import { difference } from './twins.js';
import { Unfinished } from './unfinished.js';
import { watch } from './watch.js';
import { addressOf, Wire } from './wire.js';
import { chooseLanguage, wordsIn } from './words.js';

const REFRESH_MS = 500;
const SOON_MS = 100;
const LIST_MS = 900;
const ACTED_MS = 2000;
// A longer task makes the page feel stuck.
const TASK_MS = 30;

const language = chooseLanguage(navigator.languages ?? []);
const words = wordsIn(language);
// From the page and never from its address: a link could otherwise send a person's files to a stranger.
const server = document.querySelector('meta[name=resumed-server]').content;

const find = (id) => document.getElementById(id);
const picker = find('picker');
const folderPicker = find('folder-picker');
const list = new FileList(find('files'), words);
const job = new Job(words);
const address = addressOf(server);
const begun = new Begun(address.href);
const tabs = new Tabs(address.href, () => unfinished.show());
const isElsewhere = (id) => Boolean(list.find(id)) || tabs.send(id);
const wire = new Wire(server);
// The same files may be chosen again, also on another day.
if (begun.hasCompleted) wire.plan.found(true);
// The row of a cancelled upload may still be listed.
const isSent = (id) => Boolean(list.find(id)?.active) || tabs.send(id);
const deletions = new Deletions(address.href, wire, isSent);
let hadRows = false;
// The files that another tab sends are not left behind.
const isBusy = () => hadRows || tabs.isAnySending;
const unfinished = new Unfinished({ begun, deletions, wire, server, words, announce, isElsewhere, isBusy });
const outage = new Outage(words, announce);

/** Adds a file. Returns its row if the file was in the list before. With `copy`, a file is a second one of its id. */
function add(found, copy) {
  const row = new Row({ ...found, copy }, {
    server, words, onChange: changed, onSent: (bytes) => job.sent(bytes), onGone: remove, onBuffering: showBuffering,
    onUndeleted: forgetLater, isBuffered: () => isBuffered,
  });
  row.uploader.asksFirst = begun.has(row.uploader.id);
  const old = list.find(row.uploader.id);
  if (old?.active) {
    addIfDifferent(found, old.uploader.file);
    return old;
  }
  old?.cancelDeletion();
  deletions.remove(row.uploader.id);
  if (old && !old.done) addIfDifferent(old.uploader, found.file);
  list.add(row);
  row.start();
  return old && row;
}

// One comparison at a time.
let compared = Promise.resolve();

/** Adds a file that has the id of another one in the list, unless both have the same bytes. */
function addIfDifferent({ file, path }, other) {
  if (file === other) return;
  compared = compared.then(async () => {
    // A file that cannot be read has a row that says so.
    const copy = await difference(file, other).catch(() => null);
    if (copy) add({ file, path }, copy);
  });
}

/** Removes files that changed on the disk, also from the server: the file is chosen again, and has another id now. */
function removeChanged(chosenPaths) {
  for (const row of list.rows) {
    const { problem, path, id } = row.uploader;
    if (problem?.kind !== 'file-changed' || !chosenPaths.has(path)) continue;
    list.remove(row);
    begun.remove(id);
    deletions.delete(recordOf(row));
  }
}

function showAgain(rows) {
  list.reveal(rows[0]);
  for (const row of rows) row.flash();
  announce(rows.length === 1 ? words.inList(rows[0].name) : words.inListMany(rows.length));
}

// The rows that send or wait to send.
const activeRows = new Set();

/** Called when an upload has ended. */
let onEnd = () => {};

function changed(row) {
  remember(row);
  if (row.active) activeRows.add(row);
  else activeRows.delete(row);
  if (!row.active) onEnd(row);
  // A browser would ask for a password once for each file.
  if (failsForAll(row)) pauseAll();
  refreshSoon();
}

function failsForAll(row) {
  return row.state === 'failed' && Boolean(row.uploader.problem?.isOfAll);
}

function recordOf(row) {
  const { id, path, held, file: { size, lastModified } } = row.uploader;
  return { id, path, size, lastModified, held };
}

/** Remembers that the file of a row is begun, or forgets that. */
function remember(row, isLeaving = false) {
  const record = recordOf(row);
  const { id, held, size } = record;
  const { state, hasSent } = row;
  if (row.done) begun.noteCompleted();
  if (row.done || state === 'cancelling' || state === 'cancelled') begun.remove(id);
  else if (isUnfinished({ state, held, size, hasSent }, isLeaving)) {
    begun.put(record, row.active && !isLeaving);
  }
}

/** The deletion of an upload failed. It is repeated, unless the file was chosen again. */
function forgetLater(row) {
  if (list.find(row.uploader.id) === row) deletions.add(recordOf(row));
}

function remove(row) {
  passFocus(row.element);
  list.remove(row);
  announce(words.removed(row.name));
  refreshSoon();
}

function clear() {
  const done = list.rows.filter((row) => row.done);
  done.forEach((row) => list.remove(row));
  if (done.length > 0) announce(done.length === 1 ? words.removed(done[0].name) : words.removedMany(done.length));
  picker.focus();
  refreshSoon();
}

/** Pauses all files. Returns whether one was running. */
function pauseAll() {
  const running = list.rows.filter((row) => row.active);
  for (const row of running) row.pause();
  return running.length > 0;
}

function pauseOrResumeAll() {
  if (pauseAll()) return;
  for (const row of list.rows) if (row.state === 'paused' || failsForAll(row)) row.start();
}

function retryFailed() {
  for (const row of list.rows) if (row.state === 'failed' && !row.uploader.problem?.isFinal) row.start();
}

// Many files may change state at once: the list and the total are brought up to date once.
let soon = 0;
function refreshSoon() {
  if (isUrgent()) soon ||= setTimeout(refresh, SOON_MS);
}

// A long list in which dozens of rows change each second is hard to read, and slow. After an action of the user, and at
// the end of all uploads, it is up to date soon.
let actedAt = 0;
let listedAt = 0;
function isUrgent() {
  return !list.isMany || activeRows.size === 0 || performance.now() - actedAt < ACTED_MS;
}

function refresh() {
  clearTimeout(soon);
  soon = 0;
  const all = list.rows;
  if (isUrgent() || performance.now() - listedAt >= LIST_MS) {
    listedAt = performance.now();
    list.show();
  }
  outage.show(all);
  for (const row of all) if (row.element && row.active) row.refresh();
  job.show(all);
  rememberAll(all);
}

function rememberAll(all) {
  const sent = all.filter((row) => row.active && row.hasSent);
  for (const row of sent) remember(row);
  rememberOthers(all, true);
  tabs.set(sent.map((row) => row.uploader.id));
  unfinished.show();
}

/** Remembers the number of files that have no record, and would be left behind. */
function rememberOthers(all, moves) {
  hadRows ||= all.length > 0;
  // Until then, the number is that of an earlier visit.
  if (hadRows) begun.setOthers(all.filter((row) => row.isLeft && !begun.has(row.uploader.id)).length, moves);
}

let isBuffered = false;
function showBuffering() {
  isBuffered = true;
  showNotice('buffering', ...words.notices.buffering);
}

/** One notice of each kind at most; `data-notice` tells the kind. */
function showNotice(kind, what, advice = '') {
  removeNotice(kind);
  const strong = document.createElement('strong');
  strong.textContent = what;
  const notice = document.createElement('p');
  notice.className = 'notice';
  notice.dataset.notice = kind;
  notice.append(strong, ` ${advice}`);
  find('notices').append(notice);
  announce(notice.textContent);
}

function removeNotice(kind) {
  find('notices').querySelector(`[data-notice=${kind}]`)?.remove();
}

function listenToDrops() {
  const withFiles = (event) => event.dataTransfer?.types.includes('Files');
  // On the whole window: a file that misses the zone would otherwise replace the page.
  addEventListener('dragover', (event) => {
    if (!withFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    find('drop').classList.add('over');
  });
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) find('drop').classList.remove('over');
  });
  addEventListener('drop', (event) => {
    find('drop').classList.remove('over');
    if (!withFiles(event)) return;
    event.preventDefault();
    const items = [...event.dataTransfer.items].filter((item) => item.kind === 'file');
    addAll(dropped(items, () => showNotice('unreadable', ...words.notices.unreadable)));
  });
}

async function addAll(files) {
  // The task in which the browser lists a thousand chosen files is long enough.
  await new Promise((resolve) => { setTimeout(resolve); });
  let began = actedAt = performance.now();
  removeNotice('empty');
  const [again, paths] = [[], new Set()];
  let isEmpty = true;
  for await (const found of files) {
    isEmpty = false;
    const known = add(found);
    again.push(known ?? []);
    if (!known) paths.add(found.path.normalize('NFC'));
    if (performance.now() - began < TASK_MS) continue;
    await new Promise((resolve) => { setTimeout(resolve); });
    began = performance.now();
  }
  if (isEmpty) showNotice('empty', ...words.notices.empty);
  removeChanged(paths);
  refreshSoon();
  if (again.flat().length > 0) showAgain(again.flat());
}

function listenTo(input) {
  input.addEventListener('change', () => {
    const files = [...input.files];
    // Emptied, so that choosing the same file again is a change, too.
    input.value = '';
    addAll(files.map(chosen));
  });
}

function watchOthers() {
  const isOwn = (name, length) => list.has(name, length);
  const isBegun = (name, length) => begun.all.some(({ path, size }) => path === name && size === length);
  const recent = new Recent({ words, isOwn, isBegun, onNews: (paths) => announce(words.haveArrived(paths)) });
  let isLost = false;
  setText(find('host'), address.host);
  watch(new URL('recent', address), {
    onAnswer: (lists) => {
      recent.show(lists);
      setText(find('free'), Number.isInteger(lists.free_bytes) ? words.free(words.size(lists.free_bytes)) : '');
      if (isLost) hasReturned();
      isLost = false;
    },
    onLost: () => {
      recent.hide();
      isLost = true;
    },
    nextArrival: () => new Promise((resolve) => {
      // The password of an upload under way was checked before.
      const earlier = new Set(activeRows);
      onEnd = (row) => { if (!earlier.delete(row) && row.done) resolve(); };
    }),
  });
}

// The server answers again.
function hasReturned() {
  outage.wake();
  deletions.repeat();
  unfinished.verify();
}

function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-text]')) element.textContent = words[element.dataset.text];
}

translate();
listenToDrops();
listenTo(picker);
listenTo(folderPicker);
// A phone may have no folders to choose.
folderPicker.hidden = find('choose-folder').hidden = !folderPicker.webkitdirectory;
find('pause-all').addEventListener('click', pauseOrResumeAll);
find('clear').addEventListener('click', clear);
find('retry-failed').addEventListener('click', retryFailed);
addEventListener('beforeunload', (event) => {
  if (list.rows.some((row) => row.active)) event.preventDefault();
});
addEventListener('pagehide', () => {
  const all = list.rows;
  for (const row of all) if (row.active) remember(row, true);
  rememberOthers(all, false);
});
addEventListener('storage', ({ key, newValue }) => {
  deletions.changed(key, newValue);
  if (begun.changed(key, newValue)) unfinished.show();
});
for (const kind of ['pointerdown', 'keydown', 'click']) addEventListener(kind, () => { actedAt = performance.now(); }, true);
setInterval(refresh, REFRESH_MS);
deletions.repeat();
unfinished.verify();
watchOthers();
