import { crc32 } from '../../demo/crc32.js';
import { Proof } from '../../demo/proof.js';
import { equal, test } from './test.js';

const file = Uint8Array.from({ length: 1000 }, (_, at) => at * at & 0xff);
const stretch = (start, end) => ({ start, end, crc: crc32(file.subarray(start, end)) });

test('stretches added in any order give the checksum of the whole', () => {
  const proof = new Proof(1000);
  proof.add(stretch(600, 900));
  equal(proof.gap(900), { start: 0, end: 600 });
  proof.add(stretch(0, 100));
  equal(proof.gap(900), { start: 100, end: 600 });
  proof.add(stretch(100, 600));
  equal(proof.gap(900), null);
  proof.add(stretch(500, 950));
  equal(proof.gap(1000), { start: 900, end: 1000 }, 'an overlapping stretch is ignored');
  proof.add(stretch(900, 1000));
  equal(proof.crc(1000), crc32(file));
});

test('stretches that the server lost are forgotten', () => {
  const proof = new Proof(1000);
  proof.add(stretch(0, 400));
  proof.add(stretch(500, 900));
  proof.cut(700);
  equal(proof.gap(700), { start: 400, end: 700 });
  proof.cut(0);
  equal(proof.gap(0), null);
  equal(proof.crc(0), 0);
});

test('thirty-two blocks are spread over the file', () => {
  const size = 5e9;
  for (const random of [0, 0.999]) {
    const blocks = new Proof(size, () => random).blocksIn(0, size);
    equal(blocks.length, 32);
    equal(blocks[0], { place: 0, start: 0, end: 65536 });
    for (const { place, start, end } of blocks) {
      equal(Math.floor(start * 32 / size), place);
      equal(end - start, 65536);
    }
  }
  const small = new Proof(100).blocksIn(50, 100);
  equal(small.every(({ start, end }) => start >= 50 && end === 100), true);
});

test('a block that is sent again is checked as it was sent last', () => {
  const proof = new Proof(1000, () => 0);
  const block = (crc) => [{ place: 0, start: 0, end: 100, crc }];
  proof.add({ ...stretch(0, 500), blocks: block(1) });
  proof.cut(0);
  proof.add({ ...stretch(0, 600), blocks: block(2) });
  equal(proof.blocks, block(2));
});
