// Icons by type, and thumbnails of images. A thumbnail is made from the file itself, only for a row in sight, and one at
// a time: a photo takes 50 MB while it is decoded.
//
// No address of a file is made: `createImageBitmap` reads the File, and the policy of the page stays as it is.

import { kindOf } from './names.js';
import { Semaphore } from './semaphore.js';

const WIDTH = 96;
// A decoder needs the whole file in memory.
const FILE_BYTES_MAX = 40_000_000;
// Rows that only pass by, in a scroll or because their file is small, get none.
const STILL_MS = 300;

const decoding = new Semaphore(1);
const thumbnails = new WeakMap();
const inSight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) thumbnails.get(target)?.draw();
    else thumbnails.get(target)?.stop();
  }
});

/** Shows the icon of a file in `element`, and a thumbnail once the element is in sight. */
export function showIcon(element, file, name) {
  element.dataset.kind = kindOf(name);
  if (element.dataset.kind !== 'image' || file.size > FILE_BYTES_MAX) return;
  thumbnails.set(element, new Thumbnail(element, file));
  inSight.observe(element);
}

/** Frees what `element` shows. */
export function clearIcon(element) {
  inSight.unobserve(element);
  thumbnails.get(element)?.stop();
  thumbnails.delete(element);
  element.replaceChildren();
}

class Thumbnail {
  #element;
  #file;
  #stopping = null;

  constructor(element, file) {
    this.#element = element;
    this.#file = file;
  }

  stop() {
    this.#stopping?.abort();
    this.#stopping = null;
  }

  async draw() {
    if (this.#stopping || this.#element.firstChild) return;
    const { signal } = this.#stopping = new AbortController();
    try {
      await still(signal);
      const release = await decoding.acquire(signal);
      const bitmap = await this.#bitmap().finally(release);
      if (signal.aborted) bitmap.close();
      else this.#show(bitmap);
    } catch {
      // Not a picture that this browser can read, or out of sight: the icon stays.
    }
  }

  #bitmap() {
    return createImageBitmap(this.#file, { resizeWidth: WIDTH, resizeQuality: 'medium' });
  }

  #show(bitmap) {
    const { width, height } = bitmap;
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    canvas.getContext('bitmaprenderer').transferFromImageBitmap(bitmap);
    this.#element.append(canvas);
  }
}

function still(signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, STILL_MS);
    signal.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}
