import { pauseSeconds, Plan, SIZE_MAX, SIZE_MIN, SIZE_START, Speed } from '../../demo/plan.js';
import { equal, test } from './test.js';

const MIB = 1024 * 1024;

test('requests start at 8 MiB, aim at ten seconds and stay under 64 MiB', () => {
  const plan = new Plan();
  equal(plan.size, SIZE_START);
  for (let i = 0; i < 4; i++) plan.succeeded(plan.size, 0.3);
  equal(plan.size, SIZE_MAX);
  plan.succeeded(plan.size, 32);
  equal(plan.size, 20 * MIB);
  plan.succeeded(plan.size, 12);
  equal(plan.size, 20 * MIB, 'between 5 and 20 seconds nothing changes');
  plan.succeeded(1000, 0.001);
  equal(plan.size, 20 * MIB, 'the short rest of a file changes nothing');
  plan.ended(45 * 1000, 45);
  equal(plan.size, SIZE_MIN);
});

test('a 413 of a proxy shrinks for good, down to a limit', () => {
  const plan = new Plan();
  while (plan.size > MIB) equal(plan.refused(plan.size), true);
  for (let i = 0; i < 30; i++) plan.succeeded(plan.size, 0.1);
  equal(plan.size, MIB);
  equal(plan.refused(SIZE_MIN), false);
});

test('one reset says nothing, a second shrinks, and it grows again after a while', () => {
  const plan = new Plan();
  plan.reset(0, 1);
  equal(plan.size, SIZE_START);
  plan.reset(1, 2);
  equal(plan.size, SIZE_START / 2);
  plan.succeeded(plan.size, 0.1);
  equal(plan.size, SIZE_START / 2);
  for (let i = 0; i < 40; i++) plan.succeeded(plan.size, 0.1);
  equal(plan.size, SIZE_MAX);
});

test('requests that are cut together count once', () => {
  const plan = new Plan();
  for (let n = 0; n < 5; n++) plan.reset(n, 10 + n);
  equal(plan.size, SIZE_START);
});

test('a buffering proxy is named at the second request that it holds back', () => {
  const plan = new Plan();
  const size = 32 * MIB;
  equal(plan.watched(2, { size, sent: 12 * MIB, held: 0 }), false, 'socket buffers');
  equal(plan.watched(10, { size, sent: 0.5 * MIB, held: 0 }), false, 'a very slow link');
  equal(plan.watched(5, { size, sent: 12 * MIB, held: 0 }), true);
  equal(plan.strike(), false);
  equal(plan.watched(5, { size, sent: 12 * MIB, held: 0 }), true);
  equal(plan.strike(), true);
  equal(plan.buffering, true);
  plan.succeeded(size, 8);
  equal(plan.size, 12 * MIB, 'three seconds');
  equal(plan.watched(4, { size, sent: size, held: MIB }), false);
  equal(plan.buffering, true, 'it may be passing on what it has received whole');
  plan.watched(4, { size, sent: 9 * MIB, held: MIB });
  equal(plan.buffering, false);
});

test('small files are compared first after one that the server had, and no more after eight new ones', () => {
  const plan = new Plan();
  equal(plan.isRepeat, false);
  plan.found(true);
  for (let n = 0; n < 7; n++) plan.found(false);
  equal(plan.isRepeat, true);
  plan.found(false);
  equal(plan.isRepeat, false);
  plan.found(true);
  equal(plan.isRepeat, true);
});

test('pauses grow to thirty seconds', () => {
  const pauses = [1, 2, 3, 4, 5, 6, 7].map((failures) => pauseSeconds(failures, 0.5));
  equal(pauses, [1, 2, 4, 8, 15, 30, 30]);
});

test('speed looks at the last seconds only', () => {
  const speed = new Speed();
  for (let second = 0; second <= 100; second++) speed.add(second, second < 50 ? 0 : (second - 50) * 1000);
  equal(Math.round(speed.at(100)), 1000);
  speed.add(101, 0);
  equal(speed.at(101), 0);
});
