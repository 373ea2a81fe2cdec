import { Semaphore } from '../../demo/semaphore.js';
import { equal, rejects, test } from './test.js';

test('a semaphore gives its permits in order', async () => {
  const semaphore = new Semaphore(1);
  const release = await semaphore.acquire();
  const order = [];
  const second = semaphore.acquire().then((out) => { order.push(2); out(); });
  const gaveUp = new AbortController();
  const third = semaphore.acquire(gaveUp.signal);
  const fourth = semaphore.acquire().then((out) => { order.push(4); out(); });
  gaveUp.abort();
  await rejects(third);
  equal(order, []);
  release();
  release();
  await Promise.all([second, fourth]);
  equal(order, [2, 4]);
});

test('a limit holds for all callers, and a higher one admits more of them', async () => {
  const semaphore = new Semaphore(5);
  const releases = await Promise.all([1, 2, 3].map(() => semaphore.acquire()));
  semaphore.limit = 2;
  const order = [];
  for (const name of [4, 5]) semaphore.acquire().then(() => order.push(name));
  releases.pop()();
  await Promise.resolve();
  equal([semaphore.held, order], [2, []], 'a lower limit takes no permit away');
  semaphore.limit++;
  await new Promise((resolve) => { setTimeout(resolve); });
  equal([semaphore.held, order], [3, [4]]);
});

test('a caller waits until fewer permits than its own number are held', async () => {
  const semaphore = new Semaphore(5);
  const order = [];
  const acquire = (name, permits) => semaphore.acquire(undefined, permits).then((release) => { order.push(name); return release; });
  const [first, second] = await Promise.all([acquire('first', 2), acquire('second', 2)]);
  const third = acquire('third', 2);
  const fourth = acquire('fourth', 3);
  await new Promise((resolve) => { setTimeout(resolve); });
  equal(order, ['first', 'second']);
  first();
  // The third has one beside it, and the fourth two.
  await Promise.all([third, fourth]);
  equal(order, ['first', 'second', 'third', 'fourth']);
  second();
});
