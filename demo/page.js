// The page: takes files and folders from the pickers and from drops, keeps the list, and shows the total.
// uploader.js sends a file, row.js shows one, recent.js shows the uploads of others.

import { chosen, dropped } from './folders.js';
import { Recent } from './recent.js';
import { Row, setText, showShare } from './row.js';
import { watch } from './watch.js';
import { addressOf } from './wire.js';
import { chooseLanguage, wordsIn } from './words.js';

const REFRESH_MS = 500;

const language = chooseLanguage(navigator.languages ?? []);
const words = wordsIn(language);
// From the page and never from its address: a link could otherwise send a person's files to a stranger.
const server = document.querySelector('meta[name=resumed-server]').content;

const find = (id) => document.getElementById(id);
const picker = find('picker');
const folderPicker = find('folder-picker');
const list = find('files');

/** Rows by the id of their file, in the order of the list. */
const rows = new Map();

function add(found) {
  const row = new Row(found, {
    server, words, onChange: refreshSoon, onGone: remove, onBuffering: showBuffering,
  });
  const old = rows.get(row.uploader.id);
  if (old?.active) {
    announce(words.inList(old.name));
    return;
  }
  if (old) old.element.replaceWith(row.element);
  else list.append(row.element);
  rows.set(row.uploader.id, row);
  row.start();
}

function remove(row) {
  const next = row.element.nextElementSibling ?? row.element.previousElementSibling;
  const focused = row.element.contains(document.activeElement);
  row.element.remove();
  rows.delete(row.uploader.id);
  announce(words.removed(row.name));
  if (focused) (next?.querySelector('button:not([hidden])') ?? picker).focus();
  refreshSoon();
}

function clear() {
  for (const row of [...rows.values()].filter((row) => row.done)) remove(row);
  picker.focus();
}

function pauseOrResumeAll() {
  const all = [...rows.values()];
  const running = all.filter((row) => row.active);
  for (const row of running) row.pause();
  if (running.length === 0) for (const row of all) if (row.uploader.state === 'paused') row.start();
}

// A thousand files may change state at once: the total is computed once.
let soon = 0;
function refreshSoon() {
  soon ||= setTimeout(() => { soon = 0; refresh(); }, 30);
}

function refresh() {
  const all = [...rows.values()];
  for (const row of all) if (row.active) row.refresh();
  find('all').hidden = all.length === 0;
  showTotal(all);

  const running = all.some((row) => row.active);
  const action = running ? 'pause-all' : 'resume-all';
  const button = find('pause-all');
  button.dataset.action = action;
  setText(button, words.actions[action]);
  button.hidden = !running && !all.some((row) => row.uploader.state === 'paused');
  find('clear').hidden = !all.some((row) => row.done);
  keepAwake(running);
}

function showTotal(all) {
  const total = sum(all, (row) => row.uploader.file.size);
  const held = sum(all, (row) => row.uploader.held);
  const speed = sum(all, (row) => row.speed);
  const done = all.filter((row) => row.done).length;
  const share = total ? held / total : Number(done === all.length);
  showShare(find('total'), share);
  setText(find('all-count'), words.files(done, all.length));
  const parts = [words.amount(words.size(held), words.size(total))];
  if (speed > 0) parts.push(`${words.size(speed)}/s`, words.left(words.time((total - held) / speed)));
  setText(find('all-numbers'), parts.join(' · '));
  const unfinished = all.length > done;
  document.title = unfinished ? `${Math.floor(share * 100)} % · ${words.title}` : words.title;
}

function sum(all, number) {
  return all.reduce((total, row) => total + number(row), 0);
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
}

function announce(text) {
  find('announce').textContent = text;
}

// A phone that goes to sleep cuts its uploads. Only pages served over https may ask for this.
let awake = null;
function keepAwake(wanted) {
  if (!navigator.wakeLock || wanted === Boolean(awake)) return;
  if (!wanted) {
    awake.then((lock) => lock?.release());
    awake = null;
  } else if (document.visibilityState === 'visible') {
    const asked = awake = navigator.wakeLock.request('screen').catch(() => null);
    // The browser releases the lock when the page is hidden. The visible page requests it again.
    asked.then((lock) => lock?.addEventListener('release', () => { if (awake === asked) awake = null; }));
  }
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
  for await (const found of files) add(found);
}

function listenTo(input) {
  input.addEventListener('change', () => {
    const files = [...input.files];
    // Emptied, so that choosing the same file again is a change, too.
    input.value = '';
    files.map(chosen).forEach(add);
  });
}

function watchOthers() {
  const isOwn = (name, length) => [...rows.values()].some(
    ({ uploader }) => uploader.path === name && uploader.file.size === length);
  const recent = new Recent({ words, isOwn, onNews: (paths) => announce(words.haveArrived(paths)) });
  watch(new URL('recent', addressOf(server)), { onAnswer: (lists) => recent.show(lists), onLost: () => recent.hide() });
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
setInterval(refresh, REFRESH_MS);
watchOthers();
