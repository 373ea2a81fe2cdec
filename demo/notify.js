// One system notification at the end of a job, if the user asks for it with a button.
//
// For tests: `#notify` is the button, pressed if a notification is wanted; it is hidden where the browser permits none.

let isWanted = false;
let isPossible = null;

/** Makes the button `element` ask for the permission. */
export function offerNotification(element) {
  element.addEventListener('click', async () => {
    isWanted = !isWanted && await Notification.requestPermission() === 'granted';
    element.setAttribute('aria-pressed', isWanted);
  });
}

/** Returns whether this page can show a notification. */
export function canNotify() {
  isPossible ??= isSecureContext && 'Notification' in globalThis && isConstructible();
  return isPossible && Notification.permission !== 'denied';
}

/** Shows the notification that was asked for. */
export function notify(title, body) {
  if (!isWanted) return;
  try {
    new Notification(title, { body });
  } catch {
    // Chromium on Android, if the permission was there before the page: see `isConstructible`.
  }
}

// Chromium on Android throws a TypeError. Without permission, nothing is shown.
function isConstructible() {
  if (Notification.permission === 'granted') return true;
  try {
    new Notification('');
    return true;
  } catch {
    return false;
  }
}
