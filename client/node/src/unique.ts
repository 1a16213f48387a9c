/* unique.ts - the key that `unique` makes of a payload: XXH3-128 in hexadecimal, the
 * same in every language of Ganger. Held to the C library's by tests/golden/unique.txt.
 *
 * What is done for each kilobyte is done in doubles, which hold sums of 52 bits
 * exactly; what is done once in BigInt.
 */
const SECRET = Buffer.from(
  "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f" +
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c" +
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8" +
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364" +
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e" +
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e",
  "hex",
);
const P32_1 = 0x9e3779b1n;
const P32_2 = 0x85ebca77n;
const P32_3 = 0xc2b2ae3dn;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;
const MIX_1 = 0x165667919e3779f9n;
const MIX_2 = 0x9fb21c651e98df25n;
const STRIPE = 64;
const STRIPES = 16;
const BLOCK = STRIPE * STRIPES;
const LAST_START = 121; /* Offsets in the secret. */
const MERGE_START = 11;
const LANES = [0, 1, 2, 3, 4, 5, 6, 7];

interface Halves {
  low: bigint;
  high: bigint;
}

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);

const flip = (at: number): bigint =>
  SECRET.readBigUInt64LE(at) ^ SECRET.readBigUInt64LE(at + 8);

function fold(a: bigint, b: bigint): bigint {
  const product = a * b;
  return u64(product) ^ (product >> 64n);
}

function avalanche(from: bigint): bigint {
  let value = from ^ (from >> 37n);
  value = u64(value * MIX_1);
  return value ^ (value >> 32n);
}

function oldAvalanche(from: bigint): bigint {
  let value = from ^ (from >> 33n);
  value = u64(value * P2);
  value ^= value >> 29n;
  value = u64(value * P3);
  return value ^ (value >> 32n);
}

function to3(data: Buffer): Halves {
  const size = data.length;
  if (size === 0) {
    return { low: oldAvalanche(flip(64)), high: oldAvalanche(flip(80)) };
  }
  const word = Buffer.from([
    data.readUInt8(size - 1),
    size,
    data.readUInt8(0),
    data.readUInt8(size >> 1),
  ]);
  const turned = word.readUInt32BE(0);
  const high = ((turned << 13) | (turned >>> 19)) >>> 0;
  const flips = [0, 8].map((at) =>
    BigInt((SECRET.readUInt32LE(at) ^ SECRET.readUInt32LE(at + 4)) >>> 0),
  ) as [bigint, bigint];
  return {
    low: oldAvalanche(BigInt(word.readUInt32LE(0)) ^ flips[0]),
    high: oldAvalanche(BigInt(high) ^ flips[1]),
  };
}

function to8(data: Buffer): Halves {
  const size = data.length;
  const last = BigInt(data.readUInt32LE(size - 4));
  const value = (BigInt(data.readUInt32LE(0)) + (last << 32n)) ^ flip(16);
  const product = value * (P1 + BigInt(size << 2));
  let low = u64(product);
  const high = u64((product >> 64n) + (low << 1n));
  low ^= high >> 3n;
  low ^= low >> 35n;
  low = u64(low * MIX_2);
  return { low: low ^ (low >> 28n), high: avalanche(high) };
}

function to16(data: Buffer): Halves {
  const size = data.length;
  let last = data.readBigUInt64LE(size - 8);
  const first = (data.readBigUInt64LE(0) ^ last ^ flip(32)) * P1;
  let low = u64(u64(first) + (BigInt(size - 1) << 54n));
  last ^= flip(48);
  const lower = BigInt.asUintN(32, last);
  const high = u64((first >> 64n) + last + lower * (P32_2 - 1n));
  const turned = Buffer.alloc(8);
  turned.writeBigUInt64LE(high);
  low ^= turned.readBigUInt64BE();
  const product = low * P2;
  return {
    low: avalanche(u64(product)),
    high: avalanche(u64((product >> 64n) + high * P2)),
  };
}

function mix(sum: Halves, data: Buffer, one: number, two: number, at: number): void {
  const [a, b] = [data.readBigUInt64LE(one), data.readBigUInt64LE(one + 8)];
  const [c, d] = [data.readBigUInt64LE(two), data.readBigUInt64LE(two + 8)];
  const secret = (n: number): bigint => SECRET.readBigUInt64LE(at + 8 * n);
  sum.low = u64(sum.low + fold(a ^ secret(0), b ^ secret(1))) ^ u64(c + d);
  sum.high = u64(sum.high + fold(c ^ secret(2), d ^ secret(3))) ^ u64(a + b);
}

function to240(data: Buffer): Halves {
  const size = data.length;
  const sum = { low: u64(BigInt(size) * P1), high: 0n };
  if (size <= 128) {
    for (let n = Math.floor((size - 1) / 32); n >= 0; n--) {
      mix(sum, data, 16 * n, size - 16 * (n + 1), 32 * n);
    }
  } else {
    for (let n = 0; n < 4; n++) {
      mix(sum, data, 32 * n, 32 * n + 16, 32 * n);
    }
    sum.low = avalanche(sum.low);
    sum.high = avalanche(sum.high);
    for (let n = 4; n < Math.floor(size / 32); n++) {
      mix(sum, data, 32 * n, 32 * n + 16, 3 + 32 * (n - 4));
    }
    mix(sum, data, size - 16, size - 32, 103);
  }
  const mixed = sum.low * P1 + sum.high * P4 + BigInt(size) * P2;
  return {
    low: avalanche(u64(sum.low + sum.high)),
    high: u64(-avalanche(u64(mixed))),
  };
}

/* What one lane gets of some stripes: at most 16, or the doubles would round. */
function laneSum(
  view: DataView,
  at: number,
  stripes: number,
  secretAt: number,
): bigint {
  let low = 0; /* Products, their factor cut into 16 bits: below 2^52 in all. */
  let high = 0;
  for (let n = 0; n < stripes; n++) {
    const place = at + n * STRIPE;
    const from = secretAt + n * 8;
    const a = (view.getUint32(place, true) ^ SECRET.readUInt32LE(from)) >>> 0;
    const b = (view.getUint32(place + 4, true) ^ SECRET.readUInt32LE(from + 4)) >>> 0;
    low += (a & 0xffff) * b;
    high += (a >>> 16) * b;
  }
  return BigInt(low) + (BigInt(high) << 16n);
}

function wordSum(view: DataView, at: number, stripes: number): bigint {
  let low = 0;
  let high = 0;
  for (let n = 0; n < stripes; n++) {
    low += view.getUint32(at + n * STRIPE, true);
    high += view.getUint32(at + n * STRIPE + 4, true);
  }
  return BigInt(low) + (BigInt(high) << 32n);
}

function merge(sums: BigUint64Array, at: number, start: bigint): bigint {
  let sum = start;
  for (const n of [0, 2, 4, 6]) {
    const [one, two] = [sums[n] ?? 0n, sums[n + 1] ?? 0n];
    const keys = [at + 8 * n, at + 8 * n + 8] as const;
    sum += fold(
      one ^ SECRET.readBigUInt64LE(keys[0]),
      two ^ SECRET.readBigUInt64LE(keys[1]),
    );
  }
  return avalanche(u64(sum));
}

function long(data: Buffer): Halves {
  const size = data.length;
  const view = new DataView(data.buffer, data.byteOffset, size);
  const sums = new BigUint64Array([P32_3, P1, P2, P3, P4, P32_2, P5, P32_1]);
  const gather = (at: number, stripes: number, secretAt: number): void => {
    for (const lane of LANES) {
      const products = laneSum(view, at + 8 * lane, stripes, secretAt + 8 * lane);
      const words = wordSum(view, at + 8 * (lane ^ 1), stripes);
      sums[lane] = (sums[lane] ?? 0n) + products + words; /* Kept to 64 bits. */
    }
  };
  const blocks = Math.floor((size - 1) / BLOCK);
  for (let n = 0; n < blocks; n++) {
    gather(n * BLOCK, STRIPES, 0);
    for (const lane of LANES) {
      const value = sums[lane] ?? 0n;
      const secret = SECRET.readBigUInt64LE(SECRET.length - STRIPE + 8 * lane);
      sums[lane] = (value ^ (value >> 47n) ^ secret) * P32_1;
    }
  }
  gather(blocks * BLOCK, Math.floor((size - 1 - blocks * BLOCK) / STRIPE), 0);
  gather(size - STRIPE, 1, LAST_START);
  const count = BigInt(size);
  const mergeHigh = SECRET.length - STRIPE - MERGE_START;
  return {
    low: merge(sums, MERGE_START, u64(count * P1)),
    high: merge(sums, mergeHigh, u64(~(count * P2))),
  };
}

/** The key of a payload, 32 hexadecimal digits; some milliseconds for a MiB. */
export function uniqueKey(payload: Uint8Array): string {
  const data = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const size = data.length;
  const make =
    size <= 3 ? to3 : size <= 8 ? to8 : size <= 16 ? to16 : size <= 240 ? to240 : long;
  const { low, high } = make(data);
  return ((high << 64n) | low).toString(16).padStart(32, "0");
}
