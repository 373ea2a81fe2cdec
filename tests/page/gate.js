import { Gate } from '../../demo/gate.js';
import { equal, rejects, test } from './test.js';

test('a gate lets in as many as it has places, in order', async () => {
  const gate = new Gate(1);
  const leave = await gate.enter();
  const order = [];
  const second = gate.enter().then((out) => { order.push(2); out(); });
  const gaveUp = new AbortController();
  const third = gate.enter(gaveUp.signal);
  const fourth = gate.enter().then((out) => { order.push(4); out(); });
  gaveUp.abort();
  await rejects(third);
  equal(order, []);
  leave();
  leave();
  await Promise.all([second, fourth]);
  equal(order, [2, 4]);
});

test('a caller waits until fewer than its own number are inside', async () => {
  const gate = new Gate(5);
  const order = [];
  const enter = (name, places) => gate.enter(undefined, places).then((leave) => { order.push(name); return leave; });
  const [first, second] = await Promise.all([enter('first', 2), enter('second', 2)]);
  const third = enter('third', 2);
  const fourth = enter('fourth', 3);
  await new Promise((resolve) => { setTimeout(resolve); });
  equal(order, ['first', 'second']);
  first();
  // The third has one beside it, and the fourth two.
  await Promise.all([third, fourth]);
  equal(order, ['first', 'second', 'third', 'fourth']);
  second();
});
