// CRC-32 (the one of zip, gzip and Ethernet): reflected polynomial 0xEDB88320.
// Plain JavaScript, because `crypto.subtle` has no CRC and is missing on pages served over plain http.

const POLYNOMIAL = 0xedb88320;

// tables[n][byte]: the CRC of a byte followed by n zeros. With them, one step takes eight bytes (slicing-by-8).
const tables = Array.from({ length: 8 }, () => new Int32Array(256));
for (let byte = 0; byte < 256; byte++) {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = timesX(value);
  tables[0][byte] = value;
}
for (let n = 1; n < 8; n++) tables[n].forEach((_, byte) => {
  const before = tables[n - 1][byte];
  tables[n][byte] = before >>> 8 ^ tables[0][before & 0xff];
});
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;

/** Returns the CRC-32 of `bytes` (a Uint8Array), as a number. `crc` is the CRC-32 of the bytes before them. */
export function crc32(bytes, crc = 0) {
  if (bytes.length < 16) return ~byByte(bytes, ~crc) >>> 0;
  // A word has the byte order of the processor: little-endian on every machine that runs a browser.
  const start = -bytes.byteOffset & 3;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + start, (bytes.length - start) >>> 3 << 1);
  let value = byByte(bytes.subarray(0, start), ~crc);
  value = byWord(words, value);
  return ~byByte(bytes.subarray(start + words.byteLength), value) >>> 0;
}

function byByte(bytes, value) {
  for (const byte of bytes) value = value >>> 8 ^ t0[(value ^ byte) & 0xff];
  return value;
}

function byWord(words, value) {
  for (let at = 0; at < words.length; at += 2) {
    const a = words[at] ^ value;
    const b = words[at + 1];
    value = t7[a & 0xff] ^ t6[a >>> 8 & 0xff] ^ t5[a >>> 16 & 0xff] ^ t4[a >>> 24]
      ^ t3[b & 0xff] ^ t2[b >>> 8 & 0xff] ^ t1[b >>> 16 & 0xff] ^ t0[b >>> 24];
  }
  return value;
}

/** Returns the CRC-32 of two stretches of bytes in a row. `length` is the length of the second. */
export function combined(first, second, length) {
  // `length` bytes follow the first stretch: multiply its CRC by x^(8 * length). The highest bit is x^0.
  let power = 1 << 31;
  let square = 1 << 23;
  for (let rest = length; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2) power = product(power, square);
    square = product(square, square);
  }
  return (product(first, power) ^ second) >>> 0;
}

function product(one, other) {
  let sum = 0;
  for (let bit = 31; bit >= 0; bit--) {
    if (one >>> bit & 1) sum ^= other;
    other = timesX(other);
  }
  return sum;
}

function timesX(value) {
  return value & 1 ? value >>> 1 ^ POLYNOMIAL : value >>> 1;
}

/** Returns a CRC-32 as in a header: eight lower-case hex digits. */
export function hex(crc) {
  return crc.toString(16).padStart(8, '0');
}
