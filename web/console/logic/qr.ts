/**
 * A QR code as a square of booleans, for the address of the buyer's page. Byte mode, error correction M,
 * versions 1 to 10 (213 bytes): enough for any address we print, and nothing is fetched or sent elsewhere.
 * The order of the steps is ISO/IEC 18004's: bits → blocks with Reed–Solomon → zigzag → the mask that reads best.
 */

const ECC_PER_BLOCK = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26];
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5];
const ALIGNMENT = [
  [],
  [6, 18],
  [6, 22],
  [6, 26],
  [6, 30],
  [6, 34],
  [6, 22, 38],
  [6, 24, 42],
  [6, 26, 46],
  [6, 28, 50],
];
const ECC_LEVEL_M = 0;

export type Matrix = boolean[][];

/** Throws nothing: an address that is too long has no code, and the page shows the link alone. */
export function qrMatrix(text: string): Matrix | undefined {
  const bytes = new TextEncoder().encode(text);
  for (let version = 1; version <= 10; version += 1) {
    if (dataBits(bytes.length, version) <= dataCodewords(version) * 8) return draw(version, bytes);
  }
  return undefined;
}

const lengthBits = (version: number): number => (version < 10 ? 8 : 16);
const dataBits = (length: number, version: number): number => 4 + lengthBits(version) + length * 8;

function rawCodewords(version: number): number {
  const size = version * 4 + 17;
  const marks = ALIGNMENT[version - 1]?.length ?? 0;
  const alignment = marks === 0 ? 0 : (marks * marks - 3) * 25 - (marks - 2) * 10;
  const versionInfo = version >= 7 ? 36 : 0;
  return Math.floor((size * size - 3 * 64 - 2 * (size - 16) - 31 - alignment - versionInfo) / 8);
}

function dataCodewords(version: number): number {
  return rawCodewords(version) - at(ECC_PER_BLOCK, version - 1) * at(BLOCKS, version - 1);
}

function at(list: ArrayLike<number>, index: number): number {
  return list[index] ?? 0;
}

// ---- bits and blocks ----

function payload(version: number, bytes: Uint8Array): Uint8Array {
  const capacity = dataCodewords(version);
  const bits: number[] = [];
  const push = (value: number, count: number) => {
    for (let i = count - 1; i >= 0; i -= 1) bits.push((value >>> i) & 1);
  };
  push(0b0100, 4);
  push(bytes.length, lengthBits(version));
  for (const byte of bytes) push(byte, 8);
  push(0, Math.min(4, capacity * 8 - bits.length));
  push(0, (8 - (bits.length % 8)) % 8);
  for (let pad = 0xec; bits.length < capacity * 8; pad ^= 0xec ^ 0x11) push(pad, 8);
  const out = new Uint8Array(capacity);
  bits.forEach((bit, i) => (out[i >>> 3] = at(out, i >>> 3) | (bit << (7 - (i & 7)))));
  return out;
}

function multiply(x: number, y: number): number {
  let z = 0;
  for (let i = 7; i >= 0; i -= 1) z = ((z << 1) ^ ((z >>> 7) * 0x11d) ^ (((y >>> i) & 1) * x)) & 0xff;
  return z;
}

function generator(degree: number): Uint8Array {
  const poly = new Uint8Array(degree);
  poly[degree - 1] = 1;
  let root = 1;
  for (let i = 0; i < degree; i += 1) {
    for (let j = 0; j < degree; j += 1) poly[j] = multiply(at(poly, j), root) ^ (j + 1 < degree ? at(poly, j + 1) : 0);
    root = multiply(root, 2);
  }
  return poly;
}

function remainder(data: Uint8Array, poly: Uint8Array): Uint8Array {
  const out = new Uint8Array(poly.length);
  for (const byte of data) {
    const factor = byte ^ at(out, 0);
    out.copyWithin(0, 1);
    out[out.length - 1] = 0;
    poly.forEach((c, i) => (out[i] = at(out, i) ^ multiply(c, factor)));
  }
  return out;
}

/** Blocks are interleaved so that a scratch hurts each of them a little instead of one of them fatally. */
function interleaved(version: number, data: Uint8Array): number[] {
  const blocks = at(BLOCKS, version - 1);
  const poly = generator(at(ECC_PER_BLOCK, version - 1));
  const shortLength = Math.floor(data.length / blocks);
  const shortBlocks = blocks - (data.length % blocks);
  const parts: { data: Uint8Array; ecc: Uint8Array }[] = [];
  for (let i = 0, from = 0; i < blocks; i += 1) {
    const part = data.subarray(from, (from += shortLength + (i < shortBlocks ? 0 : 1)));
    parts.push({ data: part, ecc: remainder(part, poly) });
  }
  const out: number[] = [];
  for (let i = 0; i <= shortLength; i += 1) {
    for (const part of parts) if (i < part.data.length) out.push(at(part.data, i));
  }
  for (let i = 0; i < poly.length; i += 1) for (const part of parts) out.push(at(part.ecc, i));
  return out;
}

// ---- drawing ----

function draw(version: number, bytes: Uint8Array): Matrix {
  const size = version * 4 + 17;
  const modules: Matrix = Array.from({ length: size }, () => new Array<boolean>(size).fill(false));
  const reserved: Matrix = Array.from({ length: size }, () => new Array<boolean>(size).fill(false));
  const set = (x: number, y: number, dark: boolean) => {
    if (x < 0 || y < 0 || x >= size || y >= size) return;
    (modules[y] as boolean[])[x] = dark;
    (reserved[y] as boolean[])[x] = true;
  };
  drawPatterns(version, size, set);
  drawFormat(size, 0, set); // reserves its place; drawn again with the mask that wins
  zigzag(size, interleaved(version, payload(version, bytes)), modules, reserved);

  let best = 0;
  let bestPenalty = Infinity;
  for (let mask = 0; mask < 8; mask += 1) {
    applyMask(mask, modules, reserved);
    drawFormat(size, mask, set);
    const score = penalty(modules);
    if (score < bestPenalty) [best, bestPenalty] = [mask, score];
    applyMask(mask, modules, reserved); // XOR twice is nothing
  }
  applyMask(best, modules, reserved);
  drawFormat(size, best, set);
  return modules;
}

type Set = (x: number, y: number, dark: boolean) => void;

function drawPatterns(version: number, size: number, set: Set): void {
  for (let i = 0; i < size; i += 1) {
    set(6, i, i % 2 === 0);
    set(i, 6, i % 2 === 0);
  }
  for (const [cx, cy] of [[3, 3], [size - 4, 3], [3, size - 4]] as const) {
    for (let dy = -4; dy <= 4; dy += 1) {
      for (let dx = -4; dx <= 4; dx += 1) {
        const ring = Math.max(Math.abs(dx), Math.abs(dy));
        set(cx + dx, cy + dy, ring !== 2 && ring !== 4);
      }
    }
  }
  const marks = ALIGNMENT[version - 1] ?? [];
  const last = marks.length - 1;
  marks.forEach((cy, row) =>
    marks.forEach((cx, column) => {
      if ((row === 0 && column === 0) || (row === 0 && column === last) || (row === last && column === 0)) return;
      for (let dy = -2; dy <= 2; dy += 1) {
        for (let dx = -2; dx <= 2; dx += 1) set(cx + dx, cy + dy, Math.max(Math.abs(dx), Math.abs(dy)) !== 1);
      }
    }),
  );
  if (version < 7) return;
  let rest = version;
  for (let i = 0; i < 12; i += 1) rest = (rest << 1) ^ ((rest >>> 11) * 0x1f25);
  const bits = (version << 12) | rest;
  for (let i = 0; i < 18; i += 1) {
    const [a, b] = [size - 11 + (i % 3), Math.floor(i / 3)];
    set(a, b, ((bits >>> i) & 1) === 1);
    set(b, a, ((bits >>> i) & 1) === 1);
  }
}

function drawFormat(size: number, mask: number, set: Set): void {
  const data = (ECC_LEVEL_M << 3) | mask;
  let rest = data;
  for (let i = 0; i < 10; i += 1) rest = (rest << 1) ^ ((rest >>> 9) * 0x537);
  const bits = ((data << 10) | rest) ^ 0x5412;
  const bit = (i: number) => ((bits >>> i) & 1) === 1;
  for (let i = 0; i <= 5; i += 1) set(8, i, bit(i));
  set(8, 7, bit(6));
  set(8, 8, bit(7));
  set(7, 8, bit(8));
  for (let i = 9; i < 15; i += 1) set(14 - i, 8, bit(i));
  for (let i = 0; i < 8; i += 1) set(size - 1 - i, 8, bit(i));
  for (let i = 8; i < 15; i += 1) set(8, size - 15 + i, bit(i));
  set(8, size - 8, true);
}

function zigzag(size: number, codewords: number[], modules: Matrix, reserved: Matrix): void {
  let i = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step += 1) {
      const upward = ((right + 1) & 2) === 0;
      const y = upward ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (reserved[y]?.[x] || i >= codewords.length * 8) continue;
        (modules[y] as boolean[])[x] = ((at(codewords, i >>> 3) >>> (7 - (i & 7))) & 1) === 1;
        i += 1;
      }
    }
  }
}

const MASKS: ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

function applyMask(mask: number, modules: Matrix, reserved: Matrix): void {
  const inverts = MASKS[mask];
  modules.forEach((row, y) =>
    row.forEach((dark, x) => {
      if (!reserved[y]?.[x] && inverts?.(x, y)) row[x] = !dark;
    }),
  );
}

function penalty(modules: Matrix): number {
  const size = modules.length;
  const dark = (x: number, y: number) => modules[y]?.[x] === true;
  let score = 0;
  for (const across of [true, false]) {
    const cell = (line: number, i: number) => (across ? dark(i, line) : dark(line, i));
    for (let line = 0; line < size; line += 1) {
      for (let i = 0, run = 0; i < size; i += 1) {
        run = i > 0 && cell(line, i) === cell(line, i - 1) ? run + 1 : 1;
        score += run === 5 ? 3 : run > 5 ? 1 : 0;
      }
      let text = "";
      for (let i = 0; i < size; i += 1) text += cell(line, i) ? "1" : "0";
      for (const finder of ["10111010000", "00001011101"]) {
        for (let from = text.indexOf(finder); from >= 0; from = text.indexOf(finder, from + 1)) score += 40;
      }
    }
  }
  let total = 0;
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      if (dark(x, y)) total += 1;
      if (x + 1 < size && y + 1 < size) {
        const same = [dark(x + 1, y), dark(x, y + 1), dark(x + 1, y + 1)].every((c) => c === dark(x, y));
        if (same) score += 3;
      }
    }
  }
  return score + Math.floor(Math.abs(total * 20 - size * size * 10) / (size * size)) * 10;
}
