// Polls a server while the page is visible.

import { pauseSeconds } from './plan.js';
import { retryAfter } from './wire.js';

const EVERY_SECONDS = 2;
const PATIENCE_MS = 10_000;
const FAILURES_TO_TELL = 2;

// These refusals mostly last: an older server, a proxy, or a missing password.
const lasting = new Set([401, 403, 404, 405, 421]);

/**
 * Requests `url` and passes each answer to `onAnswer`. Calls `onLost` after more than one request without an answer.
 * Sends no request while the page is hidden. After a lasting refusal, the next request waits for `nextArrival()`, which
 * resolves when the server has a file that was begun later: the user may have signed in again. A second refusal in a row is
 * final.
 */
export async function watch(url, { onAnswer, onLost, nextArrival }) {
  let failures = 0;
  let wasRefused = false;
  while (true) {
    await inSight();
    const { lists, refused, afterSeconds } = await ask(url);
    if (lists) onAnswer(lists);
    failures = lists ? 0 : failures + 1;
    if (refused || failures === FAILURES_TO_TELL) onLost();
    if (refused && wasRefused) return;
    wasRefused = refused || (wasRefused && !lists);
    if (refused) await nextArrival();
    else await pause(Math.max(EVERY_SECONDS, afterSeconds ?? 0, failures && pauseSeconds(failures, Math.random())));
  }
}

async function ask(url) {
  try {
    const answer = await fetch(url, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
    if (lasting.has(answer.status)) return { refused: true };
    if (answer.status === 429) return { afterSeconds: retryAfter(answer.headers) };
    const lists = await answer.json();
    // The answer may come from something other than the server.
    return { lists: Array.isArray(lists?.under_way) && Array.isArray(lists.arrived) ? lists : null };
  } catch {
    return {};
  }
}

function inSight() {
  return new Promise((resolve) => {
    const look = () => {
      if (document.visibilityState !== 'visible') return;
      document.removeEventListener('visibilitychange', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
    look();
  });
}

// Shorter if there is a reason to ask at once.
function pause(seconds) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener('online', done);
      document.removeEventListener('visibilitychange', done);
      resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    addEventListener('online', done);
    document.addEventListener('visibilitychange', done);
  });
}
