// The parts of the page that need no browser. Run with: node --test tests/page/*.test.mjs

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { crc32 } from '../../demo/crc32.js';
import { Gate } from '../../demo/gate.js';
import { pauseSeconds, Plan, SIZE_MAX, SIZE_MIN, SIZE_START, Speed } from '../../demo/plan.js';
import { english, Problem, problemOf } from '../../demo/problem.js';
import { chooseLanguage, wordsIn } from '../../demo/words.js';

const MIB = 1024 * 1024;

test('crc32 gives the published check value', () => {
  assert.equal(crc32(new TextEncoder().encode('123456789')), 'cbf43926');
  assert.equal(crc32(new Uint8Array()), '00000000');
});

test('a gate lets in as many as it has places, in order', async () => {
  const gate = new Gate(1);
  const leave = await gate.enter();
  const order = [];
  const second = gate.enter().then((out) => { order.push(2); out(); });
  const gaveUp = new AbortController();
  const third = gate.enter(gaveUp.signal);
  const fourth = gate.enter().then((out) => { order.push(4); out(); });
  gaveUp.abort();
  await assert.rejects(third);
  assert.deepEqual(order, []);
  leave();
  leave();
  await Promise.all([second, fourth]);
  assert.deepEqual(order, [2, 4]);
});

test('requests start at 32 MiB, aim at ten seconds and stay under 64 MiB', () => {
  const plan = new Plan();
  assert.equal(plan.size, SIZE_START);
  plan.succeeded(plan.size, 0.3);
  assert.equal(plan.size, SIZE_MAX);
  plan.succeeded(plan.size, 64);
  assert.equal(plan.size, 10 * MIB);
  plan.succeeded(plan.size, 12);
  assert.equal(plan.size, 10 * MIB, 'between 5 and 20 seconds nothing changes');
  plan.succeeded(1000, 0.001);
  assert.equal(plan.size, 10 * MIB, 'the short rest of a file says nothing');
  plan.ended(45 * 1000, 45);
  assert.equal(plan.size, SIZE_MIN);
});

test('a 413 of a proxy shrinks for good, down to a limit', () => {
  const plan = new Plan();
  while (plan.size > MIB) assert.equal(plan.refused(plan.size), true);
  for (let i = 0; i < 30; i++) plan.succeeded(plan.size, 0.1);
  assert.equal(plan.size, MIB);
  assert.equal(plan.refused(SIZE_MIN), false);
});

test('one reset says nothing, a second shrinks, and it grows again after a while', () => {
  const plan = new Plan();
  plan.reset();
  assert.equal(plan.size, SIZE_START);
  plan.reset();
  assert.equal(plan.size, SIZE_START / 2);
  plan.succeeded(plan.size, 0.1);
  assert.equal(plan.size, SIZE_START / 2);
  for (let i = 0; i < 40; i++) plan.succeeded(plan.size, 0.1);
  assert.equal(plan.size, SIZE_MAX);
});

test('a buffering proxy is named at the second request that it holds back', () => {
  const plan = new Plan();
  const size = 32 * MIB;
  assert.equal(plan.watched(2, { size, sent: 12 * MIB, held: 0 }), false, 'socket buffers');
  assert.equal(plan.watched(10, { size, sent: 0.5 * MIB, held: 0 }), false, 'a very slow link');
  assert.equal(plan.watched(5, { size, sent: 12 * MIB, held: 0 }), true);
  assert.equal(plan.strike(), false);
  assert.equal(plan.watched(5, { size, sent: 12 * MIB, held: 0 }), true);
  assert.equal(plan.strike(), true);
  assert.equal(plan.buffering, true);
  plan.succeeded(size, 8);
  assert.equal(plan.size, 12 * MIB, 'three seconds');
  assert.equal(plan.watched(4, { size, sent: size, held: MIB }), false);
  assert.equal(plan.buffering, true, 'it may be passing on what it has received whole');
  plan.watched(4, { size, sent: 9 * MIB, held: MIB });
  assert.equal(plan.buffering, false);
});

test('pauses grow to thirty seconds', () => {
  const pauses = [1, 2, 3, 4, 5, 6, 7].map((failures) => pauseSeconds(failures, 0.5));
  assert.deepEqual(pauses, [1, 2, 4, 8, 15, 30, 30]);
});

test('speed looks at the last seconds only', () => {
  const speed = new Speed();
  for (let second = 0; second <= 100; second++) speed.add(second, second < 50 ? 0 : (second - 50) * 1000);
  assert.equal(Math.round(speed.at(100)), 1000);
  speed.add(101, 0);
  assert.equal(speed.at(101), 0);
});

test('a 413 is the server\'s only with its own fields', () => {
  const answer = { text: 'larger than 5 GiB\n', afterSeconds: 0 };
  assert.equal(problemOf({ ...answer, status: 413, ours: true }).kind, 'too-large');
  assert.equal(problemOf({ ...answer, status: 413, ours: true }).said, 'larger than 5 GiB');
  assert.equal(problemOf({ ...answer, status: 413, ours: false }).kind, 'proxy-limit');
  assert.equal(problemOf({ ...answer, status: 507, ours: true }).passes, false);
  assert.equal(problemOf({ ...answer, status: 502, ours: false }).passes, true);
  assert.match(new Problem('disk-full').message, /full/);
});

test('both languages say everything', () => {
  const [en, ko] = [wordsIn('en'), wordsIn('ko')];
  const keys = (object) => Object.entries(object).flatMap(([key, value]) =>
    value && typeof value === 'object' && !Array.isArray(value) ? keys(value).map((k) => `${key}.${k}`) : [key]).sort();
  assert.deepEqual(keys(ko), keys(en));
  assert.deepEqual(Object.keys(ko.problems).sort(), Object.keys(english).sort());
});

test('languages, sizes and times', () => {
  assert.equal(chooseLanguage(['fr-FR', 'ko-KR', 'en']), 'ko');
  assert.equal(chooseLanguage(['fr']), 'en');
  const { size, time } = wordsIn('en');
  assert.deepEqual([0, 999, 1000, 1234567, 999_960].map(size), ['0 B', '999 B', '1.0 kB', '1.2 MB', '1.0 MB']);
  assert.deepEqual([0.2, 59.5, 3599, 7260, 300_000].map(time), ['1 s', '1 min', '1 h 0 min', '2 h 1 min', '3 d 11 h']);
});
