import { describe, expect, it } from "vitest";
import { parseYuan, yuanInput } from "./yuan";

describe("amounts people type", () => {
  it.each([
    ["50000", 5_000_000],
    ["50,000.5", 5_000_050],
    ["１２３．４５", 12_345],
    ["¥ 1 000", 100_000],
    ["0", 0],
  ])("%s is %i fen", (text, fen) => expect(parseYuan(text)).toBe(fen));

  it.each(["", "-1", "1.234", "1e5", "abc", "1.2.3"])("%s is no amount", (text) => {
    expect(parseYuan(text)).toBeUndefined();
  });

  it.each([0, 1, 50, 105, 5_000_000, 172_477_523_600])("%i fen comes back from its own text", (fen) => {
    expect(parseYuan(yuanInput(fen))).toBe(fen);
  });
});
