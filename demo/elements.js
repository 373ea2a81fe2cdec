// Makes and changes elements of the page.

import { kindOf, partsOf } from './names.js';

/** Makes an element with properties, and with attributes where it has none for them. */
export function make(tag, properties = {}) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'role' || key.startsWith('aria-')) element.setAttribute(key, value);
    else element[key] = value;
  }
  return element;
}

/** Makes an element for a name, in two parts: see `partsOf`. */
export function makeName(tag, properties) {
  const element = make(tag, { ...properties, className: 'name', dir: 'auto' });
  element.append(make('span'), make('span'));
  return element;
}

export function showName(element, name) {
  if (element.title === name) return;
  element.title = name;
  // Screen readers would make two words of it.
  element.setAttribute('aria-label', name);
  partsOf(name).forEach((part, at) => setText(element.children[at], part));
}

/** Makes an element with children. */
export function group(className, ...children) {
  const element = make('div', { className });
  element.append(...children);
  return element;
}

/** Makes a progress bar that is labelled by the element `id`. */
export function makeBar(id) {
  const bar = make('div', {
    className: 'bar', role: 'progressbar', 'aria-labelledby': id, 'aria-valuemin': 0, 'aria-valuemax': 100,
  });
  bar.append(make('div'));
  return bar;
}

/** Fills a progress bar; `share` is in 0..1. */
export function showShare(bar, share) {
  const percent = Math.floor(share * 100);
  const fill = `scaleX(${share})`;
  if (bar.firstElementChild.style.transform !== fill) bar.firstElementChild.style.transform = fill;
  if (bar.getAttribute('aria-valuenow') === String(percent)) return;
  bar.setAttribute('aria-valuenow', percent);
  bar.setAttribute('aria-valuetext', `${percent} %`);
}

/** Makes the icon of a file by its name. */
export function makeIcon(name) {
  const icon = make('span', { className: 'icon', 'aria-hidden': true });
  icon.dataset.kind = kindOf(name);
  return icon;
}

// Only if the text differs: a screen reader may read an equal text again.
export function setText(element, text) {
  const only = element.childNodes.length === 1 ? element.firstChild : null;
  if (element.textContent === text) return;
  // A changed text node is no new node.
  if (only?.nodeType === Node.TEXT_NODE) only.data = text;
  else element.textContent = text;
}

/**
 * Puts `elements` into `parent`, and moves no element that is in its place: a moved element loses the focus, and a
 * selection. The focus of a removed element goes to the next button.
 */
export function arrange(parent, elements) {
  const focused = document.activeElement;
  const wanted = new Set(elements);
  for (const child of [...parent.children]) {
    if (wanted.has(child)) continue;
    passFocus(child);
    child.remove();
  }
  elements.forEach((element, at) => {
    const child = parent.children[at];
    if (child !== element) parent.insertBefore(element, child ?? null);
  });
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

/** Shows `elements` in the list of the section `id`. A section without elements is hidden. */
export function fill(id, elements) {
  const section = document.getElementById(id);
  arrange(section.querySelector('ul'), elements);
  section.hidden = elements.length === 0;
}

/** Moves the focus to the next button, or to the picker, if `element`, which is to be removed, has it. */
export function passFocus(element) {
  if (!element?.contains(document.activeElement)) return;
  const next = element.nextElementSibling ?? element.previousElementSibling;
  (next?.querySelector('button:not([hidden])') ?? document.getElementById('picker')).focus();
}
