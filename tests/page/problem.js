import { Problem, problemOf } from '../../demo/problem.js';
import { equal, test } from './test.js';

test('a 413 is the server\'s only with its own fields', () => {
  const answer = { text: 'larger than 5 GiB\n', afterSeconds: 0 };
  equal(problemOf({ ...answer, status: 413, ours: true }).kind, 'too-large');
  equal(problemOf({ ...answer, status: 413, ours: true }).said, 'larger than 5 GiB');
  equal(problemOf({ ...answer, status: 413, ours: false }).kind, 'proxy-limit');
  equal(problemOf({ ...answer, status: 507, ours: true }).passes, false);
  equal(problemOf({ ...answer, status: 502, ours: false }).passes, true);
  equal(problemOf({ ...answer, status: 400, ours: true, text: 'no \u202ename' }).said, 'no \ufffdname');
  equal(new Problem('disk-full').message.includes('space'), true);
});

test('a refusal by the server without an offset is final for the file', () => {
  const answer = { text: 'no free name\n', afterSeconds: 0, ours: true, hasOffset: false };
  for (const status of [400, 403, 404, 408, 409, 422]) {
    const problem = problemOf({ ...answer, status });
    equal([problem.kind, problem.passes, problem.said], ['refused', false, 'no free name'], String(status));
  }
  equal(problemOf({ ...answer, status: 403, hasOffset: true }).kind, 'forbidden');
  equal(problemOf({ ...answer, status: 507 }).passes, false);
  equal(problemOf({ ...answer, status: 409, hasOffset: true }).kind, 'elsewhere');
});

test('a 429 passes after its Retry-After, and a 401 stays', () => {
  const answer = { text: 'too many logins failed\n', afterSeconds: 7, ours: true, hasOffset: false };
  const { kind, passes, afterSeconds } = problemOf({ ...answer, status: 429 });
  equal([kind, passes, afterSeconds], ['busy', true, 7]);
  equal(problemOf({ ...answer, status: 401 }).passes, false);
});

test('a 503 of the server concerns one file only', () => {
  const answer = { text: 'publishing\n', afterSeconds: 7, status: 503 };
  const { passes, afterSeconds, ofFile } = problemOf({ ...answer, ours: true });
  equal([passes, afterSeconds, ofFile], [true, 7, true]);
  equal(problemOf({ ...answer, ours: false }).ofFile, false);
});
