// Keeps the screen on while files are sent: a phone that goes to sleep cuts its uploads. Only secure pages may do this.

let lock = null;

export function keepAwake(isWanted) {
  if (!navigator.wakeLock || isWanted === Boolean(lock)) return;
  if (!isWanted) {
    lock.then((held) => held?.release());
    lock = null;
  } else if (document.visibilityState === 'visible') {
    const requested = lock = navigator.wakeLock.request('screen').catch(() => null);
    // The browser releases the lock when the page is hidden. The visible page requests it again.
    requested.then((held) => held?.addEventListener('release', () => { if (lock === requested) lock = null; }));
  }
}
