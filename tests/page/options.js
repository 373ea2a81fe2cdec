import { checked, names } from '../../demo/options.js';
import { english } from '../../demo/problem.js';
import { Problem, Uploader } from '../../demo/uploader.js';
import { addressOf } from '../../demo/wire.js';
import { equal, test } from './test.js';

const file = new File(['hello'], 'a.txt', { lastModified: 7 });
const types = await (await fetch('../../demo/uploader.d.ts')).text();

/** Returns the words of an error that `make` throws. */
function refusal(make) {
  try {
    make();
  } catch (error) {
    equal(error.name, 'TypeError');
    return error.message;
  }
  throw Error('nothing is thrown');
}

test('an error names a wrong option, its value and the allowed values', () => {
  const said = (options) => refusal(() => new Uploader({ file, ...options })).replace('Uploader: option ', '');
  equal(said({ chunkBytes: 1000 }), 'chunkBytes is 1000; allowed: a whole number from 131072');
  equal(said({ concurrency: 0 }), 'concurrency is 0; allowed: a whole number from 1');
  equal(said({ retry: 3 }), 'retry is 3; allowed: true, false, or a function (problem, failures)');
  equal(said({ file: 'a.txt' }), 'file is "a.txt"; allowed: a File or a Blob');
  equal(said({ file: { size: 5, slice() {}, stream() {} } }), 'file is an object (Object); allowed: a File or a Blob');
  equal(said({ signal: new AbortController() }), 'signal is an object (AbortController); allowed: an AbortSignal');
  equal(said({ onprogress() {} }).startsWith('onprogress is unknown; allowed: file, name, lastModified, '), true);
  equal(said({ server: 'ftp://a' }).startsWith('server is "ftp://a"; allowed: an address such as '), true);
  equal(refusal(() => new Uploader()), 'Uploader: the options are undefined; allowed: an object');
  equal(refusal(() => new Uploader({})), 'Uploader: option file is undefined; allowed: a File or a Blob');
});

test('a Blob needs a name, and has no time', () => {
  const blob = new Blob(['hello']);
  equal(refusal(() => new Uploader({ file: blob })),
    'Uploader: option name is undefined; allowed: a text, not empty, because a Blob has no name');
  equal(new Uploader({ file: blob, name: 'a.txt' }).id, 'a.txt-5-undated');
  equal(new Uploader({ file: blob, name: 'a.txt', lastModified: 7 }).id, 'a.txt-5-7');
});

test('an option that is undefined is not given', () => {
  equal(checked({ file, path: undefined, signal: undefined }).path, 'a.txt');
});

test('a copy has an id of its own', () => {
  equal(new Uploader({ file }).id, 'a.txt-5-7');
  equal(new Uploader({ file, copy: '2' }).id, 'a.txt-5-7-copy-2');
});

test('an address is resolved against the page and ends with a slash', () => {
  equal(addressOf(), new URL('.', document.baseURI).href);
  equal(addressOf('https://a:b@example.org/up').href, 'https://example.org/up/');
});

test('the types list each option and each kind of problem', () => {
  const [, members] = /interface UploaderOptions \{(.*?)\n\}/s.exec(types);
  equal([...members.matchAll(/^ {2}(\w+)\??:/gm)].map(([, name]) => name), names);
  const [, kinds] = /(PassingProblemKind =.*?)export type NoticeKind/s.exec(types);
  equal([...kinds.matchAll(/'([\w-]+)'/g)].map(([, kind]) => kind), Object.keys(english));
});

test('the types list each member', () => {
  for (const [name, type] of Object.entries({ Uploader, Problem })) {
    const [, members] = new RegExp(`class ${name} .*?\\{(.*?)\n\\}`, 's').exec(types);
    const listed = [...members.matchAll(/^ {2}(?:readonly )?(\w+)[(:]/gm)].map(([, member]) => member);
    const own = Object.keys(name === 'Uploader' ? new Uploader({ file }) : new Problem('gone'));
    const methods = Object.getOwnPropertyNames(type.prototype);
    equal(listed.sort(), [...new Set([...own, ...methods])].sort());
  }
});
