// CRC-32 (the one of zip, gzip and Ethernet): reflected polynomial 0xEDB88320.
// Plain JavaScript, because `crypto.subtle` has no CRC and is missing on pages served over plain http.

const table = new Uint32Array(256).map((_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** The CRC-32 of `bytes` (a Uint8Array), as eight lower-case hex digits. */
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff];
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, '0');
}
