import { crc32 } from '../../demo/crc32.js';
import { equal, test } from './test.js';

test('crc32 gives the published check value', () => {
  equal(crc32(new TextEncoder().encode('123456789')), 'cbf43926');
  equal(crc32(new Uint8Array()), '00000000');
});
