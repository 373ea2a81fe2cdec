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
