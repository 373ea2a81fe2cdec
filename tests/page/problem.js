import { Problem, problemOf } from '../../demo/problem.js';
import { equal, test } from './test.js';

test('a 413 is the server\'s only with its own fields', () => {
  const answer = { text: 'larger than 5 GiB\n', afterSeconds: 0 };
  equal(problemOf({ ...answer, status: 413, ours: true }).kind, 'too-large');
  equal(problemOf({ ...answer, status: 413, ours: true }).said, 'larger than 5 GiB');
  equal(problemOf({ ...answer, status: 413, ours: false }).kind, 'proxy-limit');
  equal(problemOf({ ...answer, status: 507, ours: true }).passes, false);
  equal(problemOf({ ...answer, status: 502, ours: false }).passes, true);
  equal(new Problem('disk-full').message.includes('full'), true);
});
