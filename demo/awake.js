// Keeps the screen on while bytes move: a phone that goes to sleep cuts its uploads. Only secure pages may do this.

/** A lock outlasts a pause of this length: between two files, or after a single cut connection. */
const GRACE_MS = 5000;

/** A promise of the lock, or null without one. */
let lock = null;
let movedAt = -Infinity;
/** True after a refusal, for example at low battery, until the visibility of the page changes. */
let isRefused = false;

/**
 * Requests or releases the lock; called several times a second. `isMoving`: files are sent, checked or compared.
 * `isRunning`: files are left to send. A page that waits for its server lets the screen go off.
 */
export function keepAwake({ isMoving, isRunning }) {
  if (!navigator.wakeLock) return;
  const now = performance.now();
  if (isMoving) movedAt = now;
  const isWanted = isRunning && now - movedAt < GRACE_MS;
  if (!isWanted) release();
  else if (!lock && !isRefused && document.visibilityState === 'visible') request();
}

function request() {
  const requested = lock = navigator.wakeLock.request('screen');
  // The browser releases the lock when the page is hidden. The visible page requests it again.
  const forget = () => { if (lock === requested) lock = null; };
  requested.then((held) => held.addEventListener('release', forget), () => {
    forget();
    isRefused = true;
    document.addEventListener('visibilitychange', () => { isRefused = false; }, { once: true });
  });
}

function release() {
  lock?.then((held) => held.release()).catch(() => {});
  lock = null;
}
