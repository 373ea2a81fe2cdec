// The page: takes files and folders from the pickers and from drops.
// uploader.js sends a file, row.js shows one, list.js shows many, job.js all of them in one header, recent.js the uploads
// of others.

import { announce } from './announce.js';
import { chosen, dropped } from './folders.js';
import { Job } from './job.js';
import { FileList } from './list.js';
import { Recent } from './recent.js';
import { Row, setText } from './row.js';
import { watch } from './watch.js';
import { addressOf } from './wire.js';
import { chooseLanguage, wordsIn } from './words.js';

const REFRESH_MS = 500;
const SOON_MS = 100;
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

/** Adds a file. Returns its row if the file was in the list before. */
function add(found) {
  const row = new Row(found, {
    server, words, onChange: refreshSoon, onSent: (bytes) => job.sent(bytes), onGone: remove, onBuffering: showBuffering,
  });
  const old = list.find(row.uploader.id);
  if (old?.active) return old;
  list.add(row);
  row.start();
  return old && row;
}

function showAgain(rows) {
  list.reveal(rows[0]);
  for (const row of rows) row.flash();
  announce(rows.length === 1 ? words.inList(rows[0].name) : words.inListMany(rows.length));
}

function remove(row) {
  const next = row.element?.nextElementSibling ?? row.element?.previousElementSibling;
  const focused = row.element?.contains(document.activeElement);
  list.remove(row);
  announce(words.removed(row.name));
  if (focused) (next?.querySelector('button:not([hidden])') ?? picker).focus();
  refreshSoon();
}

function clear() {
  const done = list.rows.filter((row) => row.done);
  done.forEach((row) => list.remove(row));
  if (done.length > 0) announce(done.length === 1 ? words.removed(done[0].name) : words.removedMany(done.length));
  picker.focus();
  refreshSoon();
}

function pauseOrResumeAll() {
  const all = list.rows;
  const running = all.filter((row) => row.active);
  for (const row of running) row.pause();
  if (running.length === 0) for (const row of all) if (row.uploader.state === 'paused') row.start();
}

function retryFailed() {
  for (const row of list.rows) if (row.uploader.state === 'failed') row.start();
}

// A thousand files may change state at once: the list and the total are brought up to date once.
let soon = 0;
function refreshSoon() {
  soon ||= setTimeout(() => { soon = 0; refresh(); }, SOON_MS);
}

function refresh() {
  const all = list.rows;
  list.show();
  for (const row of all) if (row.active) row.refresh();
  job.show(all);
}

function showBuffering() {
  showNotice('buffering', ...words.notices.buffering);
}

/** One notice of each kind at most; `data-notice` tells the kind. */
function showNotice(kind, what, advice = '') {
  if (find('notices').querySelector(`[data-notice=${kind}]`)) return;
  const strong = document.createElement('strong');
  strong.textContent = what;
  const notice = document.createElement('p');
  notice.className = 'notice';
  notice.dataset.notice = kind;
  notice.append(strong, ` ${advice}`);
  find('notices').append(notice);
  announce(notice.textContent);
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
  let began = performance.now();
  const again = [];
  for await (const found of files) {
    again.push(add(found) ?? []);
    if (performance.now() - began < TASK_MS) continue;
    await new Promise((resolve) => { setTimeout(resolve); });
    began = performance.now();
  }
  const known = again.flat();
  if (known.length > 0) showAgain(known);
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
  const recent = new Recent({ words, isOwn, onNews: (paths) => announce(words.haveArrived(paths)) });
  const address = addressOf(server);
  setText(find('host'), address.host);
  watch(new URL('recent', address), {
    onAnswer: (lists) => {
      recent.show(lists);
      setText(find('free'), Number.isInteger(lists.free_bytes) ? words.free(words.size(lists.free_bytes)) : '');
    },
    onLost: () => recent.hide(),
  });
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
setInterval(refresh, REFRESH_MS);
watchOthers();
