// One system notification at the end of a job, if the user asks for it with a button.
//
// For tests: `#notify` is the button; it is hidden where the browser permits no notification.

let isWanted = false;

/** Makes the button `element` ask for the permission. */
export function offerNotification(element) {
  element.addEventListener('click', async () => {
    isWanted = await Notification.requestPermission() === 'granted';
    element.setAttribute('aria-pressed', isWanted);
    element.disabled = Notification.permission === 'denied';
  });
}

/** Returns whether this page can show a notification. */
export const canNotify = isSecureContext && 'Notification' in globalThis && Notification.permission !== 'denied' && isConstructible();

/** Shows the notification that was asked for. */
export function notify(title, body) {
  if (isWanted) new Notification(title, { body });
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
