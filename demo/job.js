// The header of the list: counts, one bar, speed and time left of all files, and the buttons for all of them.
//
// For tests and style sheets: `#job` has `data-state`: sending, paused, failed (over, with failures) or complete;
// `#counts li[data-group]` are the counts; `#total` is the bar, with `aria-valuenow`.

import { announce } from './announce.js';
import { keepAwake } from './awake.js';
import { setText, showShare } from './elements.js';
import { canNotify, notify, offerNotification } from './notify.js';
import { Speed } from './plan.js';

const SUMMARY_MS = 5000;
const COUNTED = ['failed', 'active', 'paused', 'waiting', 'done'];

const find = (id) => document.getElementById(id);

export class Job {
  #words;
  #speed = new Speed();
  /** The bytes sent by this page, of all files. */
  #sent = 0;
  #announced = { at: 0, done: 0, failed: 0 };
  #wasRunning = false;

  constructor(words) {
    this.#words = words;
    offerNotification(find('notify'));
  }

  /** Counts bytes that the server has confirmed. Bytes of an earlier visit do not count: they have no speed. */
  sent(bytes) {
    this.#sent += bytes;
  }

  show(rows) {
    const sums = sumsOf(rows);
    find('job').hidden = sums.files === 0;
    document.body.classList.toggle('has-files', sums.files > 0);
    this.#showBar(sums);
    this.#showText(sums);
    showButtons(sums, this.#words);
    this.#report(sums, rows);
    keepAwake(sums);
  }

  #showBar({ files, done, failed, share, lost, isRunning, isOver }) {
    showShare(find('total'), share);
    find('total').lastElementChild.style.transform = `scaleX(${lost})`;
    const ended = failed > 0 ? 'failed' : 'paused';
    find('job').dataset.state = isOver ? 'complete' : isRunning ? 'sending' : ended;
    const whole = files > 0 ? `✓ ${this.#words.title}` : this.#words.title;
    document.title = files > done ? `${Math.floor(share * 100)} % · ${this.#words.title}` : whole;
  }

  #showText(sums) {
    const words = this.#words;
    const { files, held, total, share, rest, isMoving, isOver } = sums;
    setText(find('job-state'), resultOf(sums, words));
    const now = performance.now() / 1000;
    // The time of an outage has no speed.
    if (isMoving) this.#speed.add(now, this.#sent);
    else this.#speed.clear();
    const speed = this.#speed.at(now);
    setText(find('job-share'), isOver ? '' : `${Math.floor(share * 100)} %`);
    setText(find('job-amount'), isOver ? words.size(total) : words.amount(words.size(held), words.size(total)));
    setText(find('job-rate'), speed > 0 ? `${words.size(speed)}/s · ${words.left(words.time(rest / speed))}` : '');
    for (const element of find('counts').children) {
      const { group } = element.dataset;
      const number = files > 1 ? sums[group] : 0;
      element.hidden = number === 0;
      setText(element, words.groups[group](number));
    }
  }

  // One summary every few seconds: a message for each file would never end. A failure is announced at once.
  #report(sums, rows) {
    const words = this.#words;
    const { done, failed, isRunning, isOver } = sums;
    // After a retry the same file may fail again.
    const before = Math.min(this.#announced.failed, failed);
    const news = failed > before ? [newsOf(rows, failed - before, words)] : [];
    const isDue = done !== this.#announced.done && (isOver || !isRunning || Date.now() - this.#announced.at > SUMMARY_MS);
    this.#announced.failed = failed;
    if (news.length > 0 || isDue) {
      this.#announced = { at: Date.now(), done, failed };
      announce([...news, resultOf(sums, words)].join(' '));
    }
    const hasEnded = this.#wasRunning && !isRunning;
    this.#wasRunning = isRunning;
    if (hasEnded && (isOver || failed > 0)) {
      const result = resultOf(sums, words);
      notify(words.title, failed > 0 ? `${result}, ${words.groups.failed(failed)}` : result);
    }
  }
}

function resultOf({ files, done, isOver }, words) {
  return isOver && files > 1 ? words.allHere(files) : words.files(done, files);
}

function newsOf(rows, number, words) {
  if (number > 1) return words.failedMany(number);
  return words.failedOf(rows.findLast((row) => row.group === 'failed').name);
}

/** Returns all that the header shows, in one pass: there may be ten thousand rows, twice a second. */
function sumsOf(rows) {
  const sums = Object.fromEntries(COUNTED.map((group) => [group, 0]));
  Object.assign(sums, { files: 0, total: 0, held: 0, lost: 0, rest: 0, retryable: 0, isMoving: false });
  for (const row of rows) {
    const { file, held } = row.uploader;
    const { group } = row;
    // A cancelled file is no part of the job. Its row stays while that can be undone, or if the deletion failed.
    if (row.state === 'cancelled' || row.state === 'cancelling') continue;
    sums.files++;
    sums[group]++;
    sums.isMoving ||= row.isMoving;
    sums.total += file.size;
    sums.held += held;
    if (group === 'failed' && !row.uploader.problem?.isFinal) sums.retryable++;
    if (group === 'failed') sums.lost += file.size - held;
    else if (group === 'active' || group === 'waiting') sums.rest += file.size - held;
  }
  sums.isRunning = sums.active + sums.waiting > 0;
  sums.isOver = sums.files > 0 && sums.done === sums.files;
  sums.share = sums.total ? sums.held / sums.total : sums.done / Math.max(1, sums.files);
  sums.lost = sums.total ? sums.lost / sums.total : 0;
  return sums;
}

function showButtons({ isRunning, paused, retryable, done }, words) {
  const action = isRunning ? 'pause-all' : 'resume-all';
  const button = find('pause-all');
  button.dataset.action = action;
  setText(button, words.actions[action]);
  button.hidden = !isRunning && paused === 0;
  find('clear').hidden = done === 0;
  find('retry-failed').hidden = retryable < 2;
  find('notify').hidden = !canNotify() || !isRunning;
}
