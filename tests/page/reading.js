import { crc32 } from '../../demo/crc32.js';
import { readStretch } from '../../demo/reading.js';
import { equal, rejects, test } from './test.js';

const bytes = Uint8Array.from({ length: 300_000 }, (_, at) => at * at & 0xff);

test('a stretch is read with its checksum and those of its blocks', async () => {
  const blocks = [[1000, 1100], [150_000, 250_000]].map(([start, end], place) => ({ place, start, end }));
  const read = await readStretch(new Blob([bytes]), { start: 1000, end: 250_000, keep: true, blocks });
  equal(read.crc, crc32(bytes.subarray(1000, 250_000)));
  equal(read.blocks.map(({ crc }) => crc), blocks.map(({ start, end }) => crc32(bytes.subarray(start, end))));
  equal(crc32(read.bytes), read.crc);
});

test('the checksums of blocks come from the same read as that of the stretch', async () => {
  let reads = 0;
  const changing = { slice: (start, end) => new Blob([reads++ ? new Uint8Array(end - start) : bytes.subarray(start, end)]) };
  const { crc, blocks } = await readStretch(changing, { start: 0, end: 300_000, blocks: [{ place: 0, start: 1000, end: 250_000 }] });
  equal(crc, crc32(bytes));
  equal(blocks[0].crc, crc32(bytes.subarray(1000, 250_000)));
});

test('reading a shortened file fails', async () => {
  await rejects(readStretch(new Blob([bytes]), { start: 299_000, end: 300_001 }));
});

test('a read without bytes times out', async () => {
  const silent = { slice: () => ({ stream: () => new ReadableStream() }) };
  const timers = globalThis.setTimeout;
  let waited = 0;
  globalThis.setTimeout = (run, ms) => { waited = ms; return timers(run, 0); };
  try {
    await rejects(readStretch(silent, { start: 0, end: 1 }));
  } finally {
    globalThis.setTimeout = timers;
  }
  equal(waited, 10_000);
});
