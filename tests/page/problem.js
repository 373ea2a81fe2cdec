import { english, Problem, problemOf } from '../../demo/problem.js';
import { retryAfter } from '../../demo/wire.js';
import { wordsIn } from '../../demo/words.js';
import { equal, test } from './test.js';

test('a 413 is the server\'s only with its own fields', () => {
  const answer = { text: 'larger than 5 GiB\n', afterSeconds: 0 };
  equal(problemOf({ ...answer, status: 413, isFromServer: true }).kind, 'too-large');
  equal(problemOf({ ...answer, status: 413, isFromServer: true }).said, 'larger than 5 GiB');
  equal(problemOf({ ...answer, status: 413, isFromServer: false }).kind, 'proxy-limit');
  equal(problemOf({ ...answer, status: 507, isFromServer: true }).passes, false);
  equal(problemOf({ ...answer, status: 502, isFromServer: false }).passes, true);
  equal(problemOf({ ...answer, status: 400, isFromServer: true, text: 'no \u202ename' }).said, 'no \ufffdname');
  equal(new Problem('disk-full').message.includes('space'), true);
});

test('a refusal by the server without an offset is final for the file', () => {
  const answer = { text: 'no free name\n', afterSeconds: 0, isFromServer: true, hasOffset: false };
  for (const status of [400, 403, 404, 408, 409, 422]) {
    const problem = problemOf({ ...answer, status });
    equal([problem.kind, problem.passes, problem.said], ['refused', false, 'no free name'], String(status));
  }
  equal(problemOf({ ...answer, status: 403, hasOffset: true }).kind, 'forbidden');
  equal(problemOf({ ...answer, status: 507 }).passes, false);
  equal(problemOf({ ...answer, status: 409, hasOffset: true }).kind, 'elsewhere');
});

test('a Retry-After is at most ten minutes', () => {
  const seconds = (field) => retryAfter(new Headers(field && { 'Retry-After': field }));
  equal(['7', '9999999', 'Sun, 06 Nov 1994 08:49:37 GMT', undefined].map(seconds), [7, 600, 0, 0]);
});

test('a 429 passes after its Retry-After, and a 401 stays', () => {
  const answer = { text: 'too many logins failed\n', afterSeconds: 7, isFromServer: true, hasOffset: false };
  const { kind, passes, afterSeconds } = problemOf({ ...answer, status: 429 });
  equal([kind, passes, afterSeconds], ['busy', true, 7]);
  equal(problemOf({ ...answer, status: 401 }).passes, false);
});

test('a 503 of the server concerns one file only', () => {
  const answer = { text: 'publishing\n', afterSeconds: 7, status: 503 };
  const { passes, afterSeconds, ofFile } = problemOf({ ...answer, isFromServer: true });
  equal([passes, afterSeconds, ofFile], [true, 7, true]);
  equal(problemOf({ ...answer, isFromServer: false }).ofFile, false);
  equal(problemOf({ ...answer, isFromServer: true, code: 'busy' }).ofFile, true);
  equal(problemOf({ ...answer, isFromServer: true, code: 'unavailable' }).ofFile, false, 'it concerns all files');
});

test('a code decides the words, and the line of the server is not shown', () => {
  const answer = { status: 507, isFromServer: true, hasOffset: true, afterSeconds: 0, code: 'quota-full' };
  const text = 'the quota of this user is 52.4 MB (--quota): 50 MB are used, 2.4 MB are left\n';
  const problem = problemOf({ ...answer, text });
  equal([problem.kind, problem.isNamed, problem.amounts.map(Math.round)], ['quota-full', true, [52_400_000, 50_000_000, 2_400_000]]);
  const [less, more] = [52_000_000, 60_000_000].map((size) => problemOf({ ...answer, text, size }));
  equal([less.kind, more.kind, more.isFinal], ['quota-full', 'too-large', true], 'larger than the whole quota');
  equal(wordsIn('en').problemOf(problem)[1].startsWith('You have 2.4 MB left of 52.4 MB. Forget'), true);
  for (const language of ['en', 'ko']) equal(wordsIn(language).problemOf(problem).join(' ').includes('--'), false);
  const unknown = problemOf({ ...answer, text: 'the moon is full\n', code: 'moon' });
  equal(unknown.kind, 'disk-full');
  equal(wordsIn('ko').problemOf(unknown)[1].endsWith('the moon is full'), true);
});

test('a retry is offered where it can help', () => {
  const isFinal = (status, code) => problemOf({ status, code, text: '', isFromServer: true, hasOffset: true, afterSeconds: 0 }).isFinal;
  equal([[413, 'too-large'], [403, 'forbidden'], [403, 'bad-name']].map(([status, code]) => isFinal(status, code)), [true, true, true]);
  equal([[507, 'quota-full'], [507, 'disk-full'], [403, 'cannot-store']].map(([status, code]) => isFinal(status, code)), [false, false, false]);
  equal(new Problem('file-changed').isFinal, true);
});

test('the number of partial uploads passes: another upload ends', () => {
  const passes = (status) => problemOf({ status, code: 'too-many-partials', text: '', isFromServer: true, hasOffset: true, afterSeconds: 60 }).passes;
  equal([passes(429), passes(507)], [true, true]);
});

test('no words of the page name flags', () => {
  for (const [kind, texts] of Object.entries(english)) {
    const all = typeof texts === 'function' ? texts(['1 MB', '2 MB', '3 MB']) : texts;
    equal(all.join(' ').includes('--'), false, kind);
  }
});
