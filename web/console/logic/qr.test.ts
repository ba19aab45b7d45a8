import { describe, expect, it } from "vitest";
import { qrMatrix, type Matrix } from "./qr";

/** The references were made with the Python package `qrcode` 8 (byte mode, level M), module for module. */
const rows = (matrix: Matrix | undefined) => (matrix ?? []).map((row) => row.map((dark) => (dark ? "1" : "0")).join(""));

/** FNV-1a, so that a 57 × 57 reference fits a line. */
function digest(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}

describe("QR code", () => {
  it("draws the smallest version module for module", () => {
    expect(rows(qrMatrix("开盘"))).toEqual([
      "111111101100101111111",
      "100000101110001000001",
      "101110101000101011101",
      "101110100000101011101",
      "101110101100101011101",
      "100000100011101000001",
      "111111101010101111111",
      "000000000111100000000",
      "100111111010110010111",
      "100001000010101011010",
      "001000101000011011100",
      "011110000011000001010",
      "101010100000001001101",
      "000000001101100000110",
      "111111101000111110101",
      "100000101001110011000",
      "101110101101101111011",
      "101110101001100110100",
      "101110100100001100011",
      "100000100110011110011",
      "111111101011000101100",
    ]);
  });

  // Version 4 has several equal blocks, version 10 has blocks of two lengths and the version information.
  it.each([
    ["https://kaipan.example/", 25, 0xb3c93ed5],
    ["http://192.168.1.20:8080/o/01JD0000000000000000000000", 33, 0x110d58e0],
    ["x".repeat(200), 57, 0x192b03ab],
  ])("agrees with the reference for %s", (text, size, fnv) => {
    const matrix = rows(qrMatrix(text));
    expect(matrix.length).toBe(size);
    expect(digest(matrix.join("\n"))).toBe(fnv);
  });

  it("has no code for an address that is too long", () => {
    expect(qrMatrix("x".repeat(214))).toBeUndefined();
    expect(qrMatrix("x".repeat(213))).toBeDefined();
  });
});
