import { dropped } from '../../demo/folders.js';
import { equal, test } from './test.js';

/** An entry of a drop that is a file. */
const file = (fullPath) => ({ fullPath, name: fullPath.split('/').at(-1), file: (resolve) => resolve(fullPath) });

/** An entry of a drop that is a folder. A reader returns a hundred entries per call. */
function folder(fullPath, entries) {
  let at = 0;
  const readEntries = (resolve) => { resolve(entries.slice(at, at += 100)); };
  return { fullPath, name: fullPath.split('/').at(-1), isDirectory: true, createReader: () => ({ readEntries }) };
}

/** Returns the paths of the files of a drop, and the number of entries that cannot be read. */
async function listed(...entries) {
  const paths = [];
  let unreadable = 0;
  const items = entries.map((entry) => ({ webkitGetAsEntry: () => entry }));
  for await (const { path } of dropped(items, () => { unreadable++; })) paths.push(path);
  return [paths, unreadable];
}

test('a drop is listed by name, and folders in their place', async () => {
  const inner = folder('/trip/b', [file('/trip/b/2'), file('/trip/b/1')]);
  const refused = { ...folder('/trip/d', []), createReader: () => { throw Error('refused'); } };
  const trip = folder('/trip', [file('/trip/c'), refused, inner, file('/trip/a')]);
  equal(await listed(trip, file('/z'), file('/y')), [['trip/a', 'trip/b/1', 'trip/b/2', 'trip/c', 'z', 'y'], 1]);
});

test('a folder of many files is listed in a moment', async () => {
  const files = Array.from({ length: 200_000 }, (_, n) => file(`/many/${n}`));
  const [paths, unreadable] = await listed(folder('/many', files));
  equal([paths.length, unreadable], [200_000, 0]);
});
