import { afterEach, describe, expect, it } from "vitest";
import { setLang } from "@shared/i18n";
import type { Trouble } from "@shared/api/staff";
import { zh } from "./words/zh";
import { away, troubleText } from "./trouble";

const trouble = (code: string, params: Trouble["params"] = {}): Trouble => ({
  code, severity: "act", gateway: null, opening: null, redis: null, params,
});

describe("what is wrong, in words (OP-85)", () => {
  afterEach(() => setLang("zh-CN"));

  it("says what is done meanwhile, with the figures", () => {
    const lost = trouble("GATE2_LOST", { reason: "AWAY", for_ms: 12_000, picks_per_s_max: 2_000 });
    expect(troubleText(lost)).toBe(
      "没有 Redis 已 12 秒（地址没有应答）：选房从内存直接到数据库，每秒最多 2000 次；看板每 250 毫秒跟随数据库。",
    );
    const dead = { gateways: ["hall", "office"], reason: "Connection refused", for_ms: 1_000, openings: 3, holds_picks: false, picks_per_s_max: 2_000 };
    expect(troubleText(trouble("REDIS_LOST", dead))).toBe(
      "hall, office 已失联 1 秒（Connection refused），会自动重连。3 场开盘的选房从内存直接到数据库，每台每秒最多 2000 次；看板每 250 毫秒跟随数据库。",
    );
    setLang("en");
    expect(troubleText(trouble("REDIS_LOST", { ...dead, holds_picks: true }))).toContain("3 openings are asked to come back");
    expect(troubleText(trouble("REDIS_LOST", { ...dead, openings: 0 }))).toMatch(/tried again by itself\.$/);
    expect(troubleText(trouble("REDIS_NO_REPLICA", { gateways: ["hall"], master: "10.0.0.8:6379" }))).toContain("master 10.0.0.8:6379 has");
    expect(troubleText(trouble("CLOCK_REFUSES", { offset_us: -600_000_000 }))).toContain("off, by -600 s.");
  });

  // Mutation caught: `round_trip_us` not given to the words.
  it("leaves no placeholder open in any of them", () => {
    const params = {
      for_ms: 1, starts_in_ms: -1, offset_us: 1, round_trip_us: 1, picks_per_s_max: 1, reason: null, version: 1, max: 1,
      policy: "x", entries: 1, gateways: ["a"], openings: 1, reachable: 0, named: 1, master: "a:1", epoch: 1, head: 2,
    };
    for (const lang of ["zh-CN", "en"] as const) {
      setLang(lang);
      const codes = Object.keys(zh).filter((key) => key.startsWith("trouble.")).map((key) => key.slice("trouble.".length));
      expect(codes.length).toBeGreaterThan(20);
      expect(codes.map((code) => troubleText(trouble(code, params))).filter((text) => /[{}]/.test(text))).toEqual([]);
    }
  });

  it("shows a code that no words know as it is", () => {
    expect(troubleText(trouble("OF_TOMORROW"))).toBe("OF_TOMORROW");
  });

  it("gives a distance its sign where it can be on either side", () => {
    expect([away(350), away(350, true), away(-12_400, true), away(600_000_000, true)]).toEqual([
      "0.35 毫秒", "+0.35 毫秒", "-12.4 毫秒", "+600 秒",
    ]);
  });
});
