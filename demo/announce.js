// The one live region of the page: screen readers read what is announced here, and nothing else by themselves.

const COLLECT_MS = 200;

let lines = [];

/** Announces a text. Texts that come at the same time are read together: the later one would replace the earlier. */
export function announce(text) {
  lines.push(text);
  if (lines.length === 1) setTimeout(tell, COLLECT_MS);
}

function tell() {
  document.getElementById('announce').textContent = [...new Set(lines)].join(' ');
  lines = [];
}
