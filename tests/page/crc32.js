import { combined, crc32, hex } from '../../demo/crc32.js';
import { equal, test } from './test.js';

test('crc32 gives the published check value', () => {
  equal(hex(crc32(new TextEncoder().encode('123456789'))), 'cbf43926');
  equal(hex(crc32(new Uint8Array())), '00000000');
});

/** Returns pseudo-random bytes. */
function bytes(length) {
  let value = 1;
  return Uint8Array.from({ length }, () => (value = value * 48271 % 0x7fffffff) & 0xff);
}

/** Computes a CRC-32 bit by bit, as the definition says. */
function slowly(some) {
  let crc = 0xffffffff;
  for (const byte of some) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

test('crc32 is the same at every length and alignment', () => {
  const all = bytes(200);
  for (let start = 0; start < 6; start++) {
    for (let end = start; end < all.length; end++) equal(crc32(all.subarray(start, end)), slowly(all.subarray(start, end)));
  }
});

test('the combined crc32 of two stretches is that of the whole', () => {
  const all = bytes(100_000);
  const whole = crc32(all);
  for (const at of [0, 1, 7, 4096, 65_537, all.length]) {
    const [first, second] = [all.subarray(0, at), all.subarray(at)];
    equal(combined(crc32(first), crc32(second), second.length), whole);
    equal(crc32(second, crc32(first)), whole);
  }
  const [some, others] = [7e9, 3e12];
  equal(combined(combined(1, 2, some), 3, others), combined(1, combined(2, 3, others), some + others));
});
