import { Begun, isUnfinished, RECORDS_MAX } from '../../demo/begun.js';
import { equal, test } from './test.js';

const SERVER = 'http://pi:8080/';
const file = (id, held = 5) => ({ id, path: `${id}.mp4`, size: 10, lastModified: 7, held });

/** A storage with the methods of `localStorage`. */
class Storage {
  items = new Map();
  writes = 0;

  get length() {
    return this.items.size;
  }

  key(at) {
    return [...this.items.keys()][at] ?? null;
  }

  getItem(key) {
    return this.items.get(key) ?? null;
  }

  setItem(key, value) {
    this.writes++;
    this.items.set(key, value);
  }

  removeItem(key) {
    this.items.delete(key);
  }
}

const idsOf = (begun) => begun.all.map(({ id }) => id);

test('a begun file is remembered for the next visit, the newest first', () => {
  const storage = new Storage();
  let now = 1000;
  const visit = (server = SERVER) => new Begun(server, { storage, clock: () => now });
  const begun = visit();
  begun.put(file('a'));
  now = 2000;
  begun.put(file('b'));
  equal(visit().get('a'), { ...file('a'), when: 1000 });
  equal(idsOf(visit()), ['b', 'a']);
  equal(idsOf(visit('http://other/')), []);
  begun.correct('a', 9);
  equal([visit().get('a').held, idsOf(visit())], [9, ['b', 'a']]);
  begun.remove('b');
  equal(idsOf(visit()), ['a']);
});

test('the first whole file is noted for the next visit', () => {
  const storage = new Storage();
  const begun = new Begun(SERVER, { storage });
  equal(begun.hasCompleted, false);
  begun.noteCompleted();
  begun.noteCompleted();
  equal([begun.hasCompleted, storage.writes], [true, 1]);
  equal([SERVER, 'http://other/'].map((server) => new Begun(server, { storage }).hasCompleted), [true, false]);
});

test('the number of files that were not sent is noted for the next visit', () => {
  const storage = new Storage();
  let now = 0;
  const begun = new Begun(SERVER, { storage, clock: () => now });
  for (now = 10_000; now < 40_000; now += 500) begun.setOthers(1 + now, true);
  equal(storage.writes <= 6, true, String(storage.writes));
  begun.setOthers(95);
  equal([begun.others, new Begun(SERVER, { storage }).others], [95, 95]);
  begun.setOthers(0, true);
  equal([storage.length, new Begun(SERVER, { storage }).others], [0, 0]);
});

test('records of a moving file are written every few seconds', () => {
  const storage = new Storage();
  let now = 0;
  const begun = new Begun(SERVER, { storage, clock: () => now });
  for (; now < 60_000; now += 100) begun.put(file('a', now / 10_000), true);
  equal(storage.writes <= 13, true, String(storage.writes));
  begun.put(file('a', 9));
  equal(begun.get('a').held, 9, 'at once when it stops');
});

test('the oldest records are dropped', () => {
  const storage = new Storage();
  let now = 0;
  const begun = new Begun(SERVER, { storage, clock: () => now });
  for (; now < RECORDS_MAX + 10; now++) begun.put(file(`f${now}`));
  equal([begun.all.length, storage.length], [RECORDS_MAX, RECORDS_MAX]);
  equal([begun.has('f9'), begun.has('f10')], [false, true]);
  begun.expire(0.1);
  equal(begun.all.length, 100, 'younger than a tenth of a second');
});

test('a storage that throws changes nothing', () => {
  const fail = () => { throw new Error('forbidden'); };
  const storage = { get length() { return fail(); }, key: fail, getItem: fail, setItem: fail, removeItem: fail };
  for (const some of [storage, null]) {
    const begun = new Begun(SERVER, { storage: some });
    begun.put(file('a'));
    equal(idsOf(begun), ['a']);
    begun.remove('a');
    equal(idsOf(begun), []);
  }
});

test('foreign values in the storage are ignored', () => {
  const storage = new Storage();
  const key = (id) => `resumed begun ${SERVER} ${id}`;
  new Begun(SERVER, { storage }).put(file('a', 99));
  for (const [id, value] of [['b', '{'], ['c', 'null'], ['d', '{"path":1}'], ['e', '[]']]) storage.setItem(key(id), value);
  storage.setItem('other', '{}');
  equal(new Begun(SERVER, { storage }).all.map(({ id, held }) => [id, held]), [['a', 10]]);
});

test('changes of another tab are taken over', () => {
  const storage = new Storage();
  const [one, other] = [new Begun(SERVER, { storage }), new Begun(SERVER, { storage })];
  const key = `resumed begun ${SERVER} a`;
  one.put(file('a'));
  equal([other.changed('other', 'x'), other.changed(key, storage.getItem(key)), idsOf(other)], [false, true, ['a']]);
  equal([other.changed(key, null), idsOf(other)], [true, []]);
  equal([one.changed(null, null), idsOf(one)], [true, []]);
});

test('a small file is remembered only if its request is cut', () => {
  const MB = 1_000_000;
  const is = (state, more = {}, isLeaving = false) => isUnfinished({ state, held: 0, size: 3 * MB, hasSent: true, ...more }, isLeaving);
  equal([is('sending'), is('sending', { size: 9 * MB }), is('sending', {}, true)], [false, true, true]);
  equal([is('retrying'), is('paused'), is('failed'), is('failed', { held: 5 })], [true, true, false, true]);
  equal(is('paused', { size: 9 * MB, hasSent: false }), false);
});
