import { kindOf, partsOf, shown } from '../../demo/names.js';
import { equal, test } from './test.js';

test('characters that hide or move letters are replaced', () => {
  const letters = '\x1b\x07\n\x85\xad\u034f\u061c\u115f\u180e\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2060\u2066\u2069\u3164\ufeff\uffa0\u{e0041}';
  for (const letter of letters) equal(shown(`a${letter}b`), 'a\ufffdb', letter.codePointAt(0).toString(16));
  equal(shown('photo\u202egpj.exe'), 'photo\ufffdgpj.exe');
});

test('joiners and variation selectors inside a name stay', () => {
  const family = '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}.jpg';
  const heart = '\u2764\ufe0f\u200d\u{1f525}.jpg';
  for (const name of ['제주도 여행.mp4', 'می\u200cخواهم.txt', family, heart, 'love \u2764\ufe0f', '葛\u{e0100}.txt', 'é (1)']) {
    equal(shown(name), name);
  }
  equal(shown('\u200da'), '\ufffda');
  equal(shown('a\u200d'), 'a\ufffd');
  equal(shown('a \ufe0fb'), 'a \ufffdb');
  equal(shown('a\u200d\u200db').includes('\u200d\u200d'), false);
});

test('the end of a name stays visible', () => {
  equal(partsOf('IMG_20241010_091500.jpg'), ['IMG_20241010_', '091500.jpg']);
  equal(partsOf('a.jpg'), ['', 'a.jpg'], 'short');
  equal(partsOf('Makefile of mine'), ['Makefile o', 'f mine']);
  equal(partsOf('.profile'), ['', '.profile']);
  equal(partsOf('한라산 등산.tar.gz'), ['한라산 등산.', 'tar.gz']);
  equal(partsOf('صورة من العطلة.jpg'), ['صورة من العطلة', '.jpg']);
  equal(partsOf('no extension.with a sentence behind'), ['no extension.with a sentence ', 'behind']);
  // A letter is not taken apart.
  const family = '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}';
  equal(partsOf(`${family.repeat(20)}.jpg`), [family.repeat(14), `${family.repeat(6)}.jpg`]);
  equal(partsOf('Interview, uncut.mov'), ['Interview, ', 'uncut.mov']);
  equal(partsOf(''), ['', '']);
});

test('the kind of a file follows from its extension', () => {
  const names = ['a.JPG', 'b.mkv', 'c.flac', 'd.pdf', 'e.tar.gz', 'f', 'jpg.exe'];
  equal(names.map(kindOf), ['image', 'video', 'audio', 'document', 'archive', 'other', 'other']);
});
