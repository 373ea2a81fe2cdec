// Decides the size of the next request, and detects a buffering proxy. Pure: no clock, no network.
//
// A file goes out in many requests, because proxies limit the size of a body (Cloudflare 100 MB, nginx 1 MB
// by default) and its time (Traefik 60 s). All uploads to one server share one plan.

const MIB = 1024 * 1024;
export const SIZE_MIN = 128 * 1024;
export const SIZE_START = 8 * MIB;
/** A file of at most this size takes one request, without a question before: a round trip costs more than its bytes. */
export const SMALL_BYTES = 4 * MIB;
/** A file of at most this size may go in one request. It is read into memory: its checksum is sent before its bytes. */
export const WHOLE_BYTES = 16 * MIB;
// Below the limit of Cloudflare.
export const SIZE_MAX = 64 * MIB;

// Maximum seconds of a request, and the target of a new size.
const SECONDS_MIN = 5;
const SECONDS_MAX = 20;
const SECONDS_AIM = 10;
// Behind a buffering proxy progress moves once a request, so requests are kept short.
const SECONDS_AIM_BUFFERED = 3;
/** A request that takes longer is ended here, before a proxy ends it. */
export const SECONDS_LIMIT = 45;

const RESETS_TO_SHRINK = 2;
const SUCCESSES_TO_GROW_AGAIN = 10;
const STRIKES_TO_NAME = 2;
// New files in a row after which the next one is taken for new. To ask in vain costs a round trip, to send in vain a file.
const NEW_TO_EXPECT_NEW = 8;

export class Plan {
  /** Bytes for the next request. */
  size = SIZE_START;
  /** True if a proxy buffers whole bodies before it forwards them. */
  buffering = false;

  #limit = SIZE_MAX;     // what a 413 taught us: for good
  #ceiling = SIZE_MAX;   // what resets taught us: tried again after a while
  #resets = 0;
  #resetAt = -Infinity;
  #successes = 0;
  #strikes = 0;
  #newFiles = NEW_TO_EXPECT_NEW;

  /** True if the server probably has the next small file already. */
  get isRepeat() {
    return this.#newFiles < NEW_TO_EXPECT_NEW;
  }

  /** Records whether the server had a whole file before. */
  found(wasThere) {
    this.#newFiles = wasThere ? 0 : this.#newFiles + 1;
  }

  /** A request of `bytes` was answered with success after `seconds`. */
  succeeded(bytes, seconds) {
    this.#resets = 0;
    if (++this.#successes % SUCCESSES_TO_GROW_AGAIN === 0) this.#ceiling = Math.min(this.#ceiling * 2, SIZE_MAX);
    // The short rest of a file says little about what a full request would take.
    if (bytes < this.size / 2 && seconds < SECONDS_MIN) return;
    if (this.buffering || seconds < SECONDS_MIN || seconds > SECONDS_MAX) this.#aim(bytes, seconds);
  }

  /** A request was ended here after `seconds`, in which `bytes` went out. */
  ended(bytes, seconds) {
    this.#aim(bytes, seconds);
  }

  /** A 413 that is not the server's. Returns false when there is nothing left to shrink. */
  refused(bytes) {
    if (bytes <= SIZE_MIN) return false;
    this.#limit = Math.max(SIZE_MIN, Math.min(this.#limit, Math.floor(bytes / 2)));
    this.#resize(this.#limit);
    return true;
  }

  /** The connection of a request that began at `began` was cut in the middle of the body, at the time `now`. */
  reset(began, now) {
    // One failure of the network cuts all requests under way.
    if (began < this.#resetAt) return;
    this.#resetAt = now;
    this.#successes = 0;
    if (++this.#resets < RESETS_TO_SHRINK) return;
    this.#ceiling = Math.max(SIZE_MIN, Math.floor(this.size / 2));
    this.#resize(this.#ceiling);
  }

  /**
   * The server was asked in the middle of a request of `size` bytes: `seconds` after its first byte, when `sent`
   * were out and `held` of them had arrived. Returns true if this shows a buffering proxy.
   *
   * Socket buffers take several MB at once, so being ahead means nothing. But on a direct connection the server
   * holds *something* after a few seconds; a proxy that buffers passes on nothing at all before the body ends.
   */
  watched(seconds, { size, sent, held }) {
    if (held > 0) {
      // A small step may be the proxy passing on the body that it has just received whole.
      if (sent < size) this.#trust();
      return false;
    }
    return (seconds >= 4 && sent >= 4 * MIB) || (seconds >= 20 && sent >= MIB);
  }

  /** `watched` returned true for the first time in a request. Returns true if the page has to show it. */
  strike() {
    if (++this.#strikes < STRIKES_TO_NAME || this.buffering) return false;
    this.buffering = true;
    return true;
  }

  #trust() {
    this.#strikes = 0;
    this.buffering = false;
  }

  #aim(bytes, seconds) {
    const aim = this.buffering ? SECONDS_AIM_BUFFERED : SECONDS_AIM;
    const wanted = bytes / Math.max(seconds, 0.05) * aim;
    this.#resize(Math.min(wanted, this.size * 2));
  }

  #resize(bytes) {
    this.size = Math.floor(Math.max(SIZE_MIN, Math.min(bytes, this.#limit, this.#ceiling)));
  }
}

const PAUSES_SECONDS = [1, 2, 4, 8, 15, 30];

/** The seconds to wait after the `failures`-th failure in a row (from 1); `random` is in 0..1. */
export function pauseSeconds(failures, random) {
  const base = PAUSES_SECONDS[Math.min(failures, PAUSES_SECONDS.length) - 1];
  return base * (0.75 + random / 2);
}

const WINDOW_SECONDS = 12;

/** Speed over the last seconds, from the offsets of the server. */
export class Speed {
  #points = [];

  add(seconds, bytes) {
    // Fewer than before: the upload starts over.
    if (bytes < (this.#points.at(-1)?.bytes ?? 0)) this.clear();
    this.#points.push({ seconds, bytes });
    while (this.#points.length > 2 && seconds - this.#points[1].seconds > WINDOW_SECONDS) this.#points.shift();
  }

  clear() {
    this.#points = [];
  }

  /** Bytes a second at the time `seconds`, or 0 when too little is known. */
  at(seconds) {
    const first = this.#points[0];
    const span = first ? seconds - first.seconds : 0;
    return span < 1.5 ? 0 : Math.max(0, (this.#points.at(-1).bytes - first.bytes) / span);
  }
}
