import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { en, zh } from "../words";
import { inWechat, wayBack } from "./wechat";

const here = import.meta.url;

describe("sign-in by WeChat (OP-2)", () => {
  it("is offered in WeChat's browser, and where somebody tries it", () => {
    const wechat = "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 MicroMessenger/8.0.50";
    expect(inWechat(wechat, "")).toBe(true);
    expect(inWechat("Mozilla/5.0 (iPhone) Safari/604.1", "")).toBe(false);
    expect(inWechat("Safari", "?in=wechat")).toBe(true);
    expect(inWechat("Safari", "?in=wechats")).toBe(false);
  });

  it.each([
    ["", null],
    ["?a=1", null],
    ["?wechat=<script>", null],
    ["?wechat=WECHAT_KNOWN", { end: "WECHAT_KNOWN", search: "" }],
    ["?in=wechat&wechat=WECHAT_REFUSED", { end: "WECHAT_REFUSED", search: "?in=wechat" }],
    ["?wechat=WECHAT_DOWN&in=wechat", { end: "WECHAT_DOWN", search: "?in=wechat" }],
  ])("the way back of %s is read and taken out", (search, expected) => {
    expect(wayBack(search)).toEqual(expected);
  });

  // The server's own list is the measure. Mutation caught: a row of `words.ts` taken out.
  it("has words for every way back, in both languages", () => {
    const source = readFileSync(new URL("../../../src/identity/buyers/wechat.rs", here), "utf8");
    const ends = [...source.matchAll(/=> "(WECHAT_[A-Z_]+)"/g)].map((match) => match[1] as string);
    expect(ends.length).toBeGreaterThanOrEqual(8);
    const told = ends.filter((end) => end !== "WECHAT_KNOWN" && end !== "WECHAT_UNBOUND");
    for (const words of [zh, en]) expect(told.filter((end) => !(`wechat.${end}` in words))).toEqual([]);
  });
});
