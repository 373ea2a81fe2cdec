import { FileList } from '../../demo/list.js';
import { equal, test } from './test.js';

const row = (id, path, size) => ({ uploader: { id, path, file: { size } }, element: null, hide() {} });

test('a file is in the list as long as a row has its path and length', () => {
  const list = new FileList(null, {});
  const [old, edited, again] = [row('1', 'a.txt', 5), row('2', 'a.txt', 5), row('2', 'a.txt', 5)];
  for (const one of [old, edited, again]) list.add(one);
  equal(list.rows.length, 2);
  list.remove(old);
  equal([list.has('a.txt', 5), list.has('a.txt', 6)], [true, false]);
  list.remove(edited);
  equal(list.has('a.txt', 5), true, 'another row took its place');
  list.remove(again);
  equal(list.has('a.txt', 5), false);
});
