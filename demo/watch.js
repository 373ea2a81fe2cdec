// Asks a server again and again what there is to see, as long as somebody looks.

import { pauseSeconds } from './plan.js';

const EVERY_SECONDS = 2;
const PATIENCE_MS = 10_000;
const FAILURES_TO_TELL = 2;

// Who is refused so is refused again: by a server of before, by its proxy, or for want of a password.
const final = new Set([401, 403, 404, 405, 421]);

/**
 * Asks for `url` and hands each answer to `onTold`; calls `onLost` when the server has not answered more than once.
 * Nothing is asked while this page is out of sight, and nothing more once it is refused.
 */
export async function watch(url, { onTold, onLost }) {
  let failures = 0;
  while (true) {
    await inSight();
    const { told, refused } = await ask(url);
    if (told) onTold(told);
    failures = told ? 0 : failures + 1;
    if (refused || failures === FAILURES_TO_TELL) onLost();
    if (refused) return;
    await pause(Math.max(EVERY_SECONDS, failures && pauseSeconds(failures, Math.random())));
  }
}

async function ask(url) {
  try {
    const answer = await fetch(url, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
    if (final.has(answer.status)) return { refused: true };
    const told = await answer.json();
    // Something else may have answered in place of the server.
    return { told: Array.isArray(told?.under_way) && Array.isArray(told.arrived) ? told : null };
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

// Shorter when there is a reason to look at once.
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
