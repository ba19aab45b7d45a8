import { describe, expect, it } from "vitest";
import { area, chinaTime, countdown, percent, price, priceShort, splitDays, wan, wanShort, yuan } from "./format";

const cases: [string, (n: number) => unknown, number, unknown][] = [
  ["wan", wan, 243_921_400, "243.92"],
  ["wan without zeros", wan, 300_000_000, "300"],
  ["wan keeps a zero that counts", wan, 1_000_000_000, "1000"],
  ["wan small", wan, 13_800_000, "13.8"],
  ["wan of a cell", wanShort, 243_921_400, "243.9"],
  ["wan of a cell, even", wanShort, 300_000_000, "300"],
  ["price in Chinese", (n) => price(n, "zh-CN"), 243_921_400, "243.92万"],
  ["price in English", (n) => price(n, "en"), 243_921_400, "¥2.44M"],
  ["price of a cell", (n) => priceShort(n, "zh-CN"), 243_921_400, "243.9万"],
  ["a small price in English", (n) => price(n, "en"), 9_000_000, "¥90,000"],
  ["yuan", yuan, 243_921_400, "2,439,214"],
  ["yuan with fen", yuan, 243_921_405, "2,439,214.05"],
  ["yuan small", yuan, 99_900, "999"],
  ["yuan back", yuan, -100_000, "-1,000"],
  ["area", area, 8912, "89.12"],
  ["area even", area, 6300, "63"],
  ["area one decimal", area, 12580, "125.8"],
  ["percent never rounds up to sold out", percent, 9999, "99.9"],
  ["percent full", percent, 10_000, "100"],
  ["countdown", countdown, 42_000, "00:42"],
  ["countdown rounds up", countdown, 41_001, "00:42"],
  ["countdown over", countdown, -5, "00:00"],
  ["countdown hours", countdown, 3_723_000, "1:02:03"],
  ["days", splitDays, 2 * 86_400_000 + 7_800_000, { days: 2, clock: "2:10:00" }],
];

describe("format", () => {
  it.each(cases)("%s", (_, f, input, expected) => expect(f(input)).toEqual(expected));

  it("shows the project's time whatever the phone's zone", () => {
    // 2026-11-21 16:30:05 UTC is already the 22nd, half past midnight, in Shanghai.
    expect(chinaTime(Date.UTC(2026, 10, 21, 16, 30, 5))).toEqual({
      year: 2026,
      month: 11,
      day: 22,
      weekday: 0,
      time: "00:30",
      seconds: "00:30:05",
    });
  });
});
