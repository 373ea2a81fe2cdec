// The page: takes files and folders from the pickers and from drops, and shows the total.
// uploader.js sends a file, row.js shows one, list.js shows many, recent.js shows the uploads of others.

import { chosen, dropped } from './folders.js';
import { FileList } from './list.js';
import { Recent } from './recent.js';
import { Row, setText, showShare } from './row.js';
import { watch } from './watch.js';
import { addressOf } from './wire.js';
import { chooseLanguage, wordsIn } from './words.js';

const REFRESH_MS = 500;
const SOON_MS = 100;
// A longer task makes the page feel stuck.
const TASK_MS = 30;
const SUMMARY_MS = 5000;

const language = chooseLanguage(navigator.languages ?? []);
const words = wordsIn(language);
// From the page and never from its address: a link could otherwise send a person's files to a stranger.
const server = document.querySelector('meta[name=resumed-server]').content;

const find = (id) => document.getElementById(id);
const picker = find('picker');
const folderPicker = find('folder-picker');
const list = new FileList(find('files'), words);

function add(found) {
  const row = new Row(found, {
    server, words, onChange: refreshSoon, onGone: remove, onBuffering: showBuffering,
  });
  const old = list.find(row.uploader.id);
  if (old?.active) {
    old.flash();
    announce(words.inList(old.name));
    return;
  }
  list.add(row);
  row.start();
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
  find('all').hidden = all.length === 0;
  showTotal(all);

  const running = all.some((row) => row.active);
  const action = running ? 'pause-all' : 'resume-all';
  const button = find('pause-all');
  button.dataset.action = action;
  setText(button, words.actions[action]);
  button.hidden = !running && !all.some((row) => row.uploader.state === 'paused');
  find('clear').hidden = !all.some((row) => row.done);
  find('retry-failed').hidden = all.filter((row) => row.group === 'failed').length < 2;
  keepAwake(running);
}

function showTotal(all) {
  const total = sum(all, (row) => row.uploader.file.size);
  const held = sum(all, (row) => row.uploader.held);
  const speed = sum(all, (row) => row.speed);
  const done = all.filter((row) => row.done).length;
  const share = total ? held / total : Number(done === all.length);
  const failed = all.filter((row) => row.group === 'failed');
  showShare(find('total'), share);
  const lost = sum(failed, ({ uploader }) => uploader.file.size - uploader.held);
  find('total').lastElementChild.style.transform = `scaleX(${total ? lost / total : 0})`;
  find('total').dataset.state = done === all.length ? 'complete' : 'sending';
  const isOver = all.length > 1 && done === all.length;
  setText(find('all-count'), isOver ? words.allHere(all.length) : words.files(done, all.length));
  setText(find('all-groups'), groupsOf(all));
  summarize(all, failed);
  const parts = [words.amount(words.size(held), words.size(total))];
  if (speed > 0) parts.push(`${words.size(speed)}/s`, words.left(words.time((total - held) / speed)));
  setText(find('all-numbers'), parts.join(' · '));
  const unfinished = all.length > done;
  const whole = all.length > 0 ? `✓ ${words.title}` : words.title;
  document.title = unfinished ? `${Math.floor(share * 100)} % · ${words.title}` : whole;
}

/** Returns how many files failed, are being sent and wait, if there are many. */
function groupsOf(all) {
  if (all.length < 2) return '';
  const count = (...groups) => all.filter((row) => groups.includes(row.group)).length;
  const counts = [['failed', count('failed')], ['active', count('active')], ['waiting', count('waiting', 'paused')]];
  return counts.filter(([, number]) => number > 0).map(([group, number]) => words.groups[group](number)).join(' · ');
}

// One summary every few seconds, for screen readers: a message for each file would never end. A failure is announced at
// once.
let announced = { at: 0, done: 0, failed: 0 };
function summarize(all, failed) {
  const done = all.filter((row) => row.done).length;
  // After a retry the same file may fail again.
  announced.failed = Math.min(announced.failed, failed.length);
  const isNew = failed.length > announced.failed || (done !== announced.done && Date.now() - announced.at > SUMMARY_MS);
  if (!isNew && done !== all.length) return;
  if (done === announced.done && failed.length === announced.failed) return;
  const news = failed.length > announced.failed ? [words.failedOf(failed.at(-1).name)] : [];
  announced = { at: Date.now(), done, failed: failed.length };
  announce([...news, words.files(done, all.length)].join(' '));
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
  let began = performance.now();
  for await (const found of files) {
    add(found);
    if (performance.now() - began < TASK_MS) continue;
    await new Promise((resolve) => { setTimeout(resolve); });
    began = performance.now();
  }
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
find('retry-failed').addEventListener('click', retryFailed);
addEventListener('beforeunload', (event) => {
  if (list.rows.some((row) => row.active)) event.preventDefault();
});
setInterval(refresh, REFRESH_MS);
watchOthers();
