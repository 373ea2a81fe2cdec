import { crc32 } from '../../demo/crc32.js';
import { inTime, readStretch } from '../../demo/reading.js';
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

/** Calls `act` with the timers that are set meanwhile. Returns what `act` returns. */
async function withTimers(act) {
  const { setTimeout, setInterval } = globalThis;
  const timers = [];
  globalThis.setTimeout = globalThis.setInterval = (run, ms) => timers.push({ run, ms });
  try {
    return await act(timers);
  } finally {
    Object.assign(globalThis, { setTimeout, setInterval });
  }
}

test('a read without bytes times out after ten seconds', () => withTimers(async (timers) => {
  const silent = { slice: () => ({ stream: () => new ReadableStream() }) };
  const reading = readStretch(silent, { start: 0, end: 1 });
  const [{ run, ms }] = timers;
  equal(ms, 1000);
  let isOver = false;
  reading.catch(() => { isOver = true; });
  for (let second = 1; second < 10; second++) run();
  await Promise.resolve();
  equal(isOver, false);
  run();
  await rejects(reading);
}));

// After a sleep each timer is due at once, before the bytes.
test('a sleep does not end a read', () => withTimers(async (timers) => {
  let arrive;
  const reading = inTime(new Promise((resolve) => { arrive = resolve; }));
  for (const { run } of timers) run();
  arrive('bytes');
  equal(await reading, 'bytes');
}));
