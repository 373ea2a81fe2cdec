/** Resumable uploads to a `resumed` server from a browser, a worker or Node. `uploader.js` describes each member. */

export type UploadState =
  | 'waiting' | 'checking' | 'sending' | 'comparing' | 'retrying' | 'complete' | 'already' | 'failed' | 'cancelled'
  | 'paused';

/** These pass: the upload tries again by itself. */
export type PassingProblemKind =
  | 'offline' | 'gone' | 'busy' | 'too-many-connections' | 'too-many-logins' | 'unavailable' | 'server-error'
  | 'disk-failed' | 'stalled' | 'strange' | 'elsewhere' | 'too-many-partials';

export type ProblemKind =
  | PassingProblemKind
  | 'refused' | 'sign-in' | 'untrusted' | 'wrong-host' | 'no-service' | 'cannot-store' | 'proxy-limit' | 'disk-full'
  | 'quota-full' | 'different' | 'forbidden' | 'bad-name' | 'too-large' | 'file-changed';

export type NoticeKind = 'different' | 'buffering';

/** Request headers, as `fetch` takes them. */
export type UploadHeaders = Record<string, string> | Array<[string, string]> | Headers;

export interface UploaderOptions {
  /** The content to send. */
  file: File | Blob;
  /** Name of the file: a Blob has none and needs this option. */
  name?: string | undefined;
  /** Time of the file in ms since 1970. Default: the time of the File; a Blob gets the time of its upload. */
  lastModified?: number | undefined;
  /** Path on the server, with the name: `trip/a.jpg`. Default: the path in the chosen folder, or the name. */
  path?: string | undefined;
  /** The server keeps uploads of one file with different texts as separate files. */
  copy?: string | undefined;
  /** Address of the server. Default: the folder of the page, or of the script of the worker. */
  server?: string | URL | undefined;
  /** Further request headers, or a function that is called for each request. */
  headers?: UploadHeaders | (() => UploadHeaders | null | undefined | Promise<UploadHeaders | null | undefined>) | undefined;
  /** Maximum bytes in the body of one request, at least 131,072. Default: adapted to the link, at most 64 MiB. */
  chunkBytes?: number | undefined;
  /** This upload waits while so many uploads to its server run. Default: 5. */
  concurrency?: number | undefined;
  /** False: throw each problem instead of waiting. A function returns true to try again. Default: true. */
  retry?: boolean | ((problem: Problem, failures: number) => boolean) | undefined;
  /** Stops the upload: `upload()` rejects with the reason of the signal. */
  signal?: AbortSignal | undefined;
  /** Called with the number of bytes on the server, and the size of the file. */
  onProgress?: ((held: number, total: number) => void) | undefined;
  /** Called at each change. `problem` comes with `retrying` and `failed`. */
  onState?: ((state: UploadState, problem: Problem | null) => void) | undefined;
  /** `different`: the upload starts over, because the server held other bytes. `buffering`: a proxy buffers uploads. */
  onNotice?: ((kind: NoticeKind) => void) | undefined;
}

export class Uploader {
  /** Throws a TypeError that names a wrong option. */
  constructor(options: UploaderOptions);

  readonly file: File | Blob;
  readonly path: string;
  readonly lastModified: number | undefined;
  /** The text of the copy, or empty. */
  readonly copy: string;
  /** Path, size and time; the upload of a file is continued under its id. */
  readonly id: string;
  /** Bytes on the server, as far as it has confirmed them. */
  readonly held: number;
  readonly state: UploadState;
  /** The reason of `retrying` and `failed`. An error that is no Problem comes from a function in the options. */
  readonly problem: Problem | null;
  /** Time of the next attempt while `retrying`, in ms as of `Date.now()`. */
  readonly retryAt: number;
  /** With `already`: true if the server has compared the checksums of both files. */
  readonly compared: boolean;
  /** Path of the complete file on the server, or null if the server does not tell. */
  readonly savedAs: string | null;
  /** Set it to true if an earlier visit has begun the file: a small file is otherwise sent without a question. */
  asksFirst: boolean;

  /** Resolves to true when complete, to false when stopped. Rejects with a Problem that waiting does not solve. */
  upload(): Promise<boolean>;
  /** Ends the running requests. The server keeps the received bytes. */
  stop(): void;
  /** Stops, and deletes the partial upload. */
  cancel(): Promise<void>;
  /** Deletes the partial upload, then uploads from the first byte. */
  sendAgain(): Promise<boolean>;
  /** Uploads the file once more, as a copy with a new id. */
  sendCopy(): Promise<boolean>;
  /** Ends a pause before the next attempt. */
  wake(): void;
  /** Asks the server for the offset. */
  getUploadedBytes(): Promise<number>;
}

export interface ProblemDetails {
  code?: string;
  said?: string;
  isNamed?: boolean;
  amounts?: number[];
  passes?: boolean;
  afterSeconds?: number;
  ofFile?: boolean;
  cause?: unknown;
}

export class Problem extends Error {
  constructor(kind: ProblemKind, details?: ProblemDetails);

  readonly name: 'Problem';
  readonly kind: ProblemKind;
  /** True if the upload tries again by itself. */
  readonly passes: boolean;
  /** True if a retry of the same file cannot help. */
  readonly isFinal: boolean;
  /** True if the other files for this server would fail as well: for example, without a login. */
  readonly isOfAll: boolean;
  /** The `X-Problem` of the server, or empty. */
  readonly code: string;
  /** The line of the server, or empty. */
  readonly said: string;
  /** True if `code` decided `kind`. */
  readonly isNamed: boolean;
  /** The numbers of bytes that the line of the server states. */
  readonly amounts: number[];
  /** The `Retry-After` of the server in seconds, at most 600, or 0. */
  readonly afterSeconds: number;
  /** True if the server is busy with this file only. */
  readonly ofFile: boolean;
}
