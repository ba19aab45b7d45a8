import { describe, expect, it } from "vitest";
import type { Opening, Screen } from "@shared/api/buyer";
import { catalogueFaults } from "@shared/i18n";
import { screenEn, screenZh } from "../words";
import {
  bigMoney,
  chooseAnew,
  chooseOpening,
  faceOf,
  figures,
  openingIn,
  phaseAt,
  shortHash,
  showing,
  withoutCommonStart,
} from "./view";

describe("the screen's face", () => {
  const window = { start_ms: 100, end_ms: 200 };
  it.each([
    ["published", 99, "countdown"],
    ["armed", 100, "board"],
    ["live", 99, "board"],
    ["live", 250, "board"],
    ["closed", 150, "board"],
  ] as const)("of %s at %i is the %s", (phase, now, face) => {
    expect(faceOf(phaseAt({ phase, ...window }, now))).toBe(face);
  });

  it("closes by the clock even when the last answer said live", () => {
    expect(phaseAt({ phase: "live", ...window }, 200)).toBe("closed");
  });
});

describe("the wall", () => {
  // Mutation caught: asking for `known` first kept a vanished opening on the wall, with its countdown ticking.
  it.each([
    ["connecting", false, "connecting"],
    ["offline", false, "connecting"],
    ["offline", true, "wall"],
    ["open", true, "wall"],
    ["missing", false, "missing"],
    ["missing", true, "missing"],
  ] as const)("while %s, the opening known: %s, shows %s", (link, known, face) => {
    expect(showing(link, known)).toBe(face);
  });
});

describe("the screen's figures", () => {
  const screen = { free: 5, held: 3, sold: 2 } as Screen;
  it("come from the board once there is one", () => {
    const count = () => ({ free: 1, held: 1, sold: 2, withheld: 9 });
    expect(figures({ ready: true, count }, screen)).toEqual({ free: 1, held: 1, sold: 2, total: 4, sell_through_bp: 5000 });
    expect(figures({ ready: false, count }, screen).sold).toBe(2);
    expect(figures({ ready: false, count }, undefined).sell_through_bp).toBe(0);
  });

  it.each([
    [172_477_523_600, "zh-CN", { unit: "yi", n: "17.24" }],
    [9_999_999_999, "zh-CN", { unit: "wan", n: "9999.99" }],
    [0, "zh-CN", { unit: "wan", n: "0.00" }],
    [172_477_523_600, "en", { unit: "billion", n: "1.72" }],
    [9_999_999_999, "en", { unit: "million", n: "99.99" }],
  ] as const)("%i fen never read as more (%s)", (fen, lang, words) => expect(bigMoney(fen, lang)).toEqual(words));
});

describe("the screen's opening", () => {
  it("stands in its address", () => {
    expect([openingIn("/screen/01J"), openingIn("/screen/"), openingIn("/x")]).toEqual(["01J", undefined, undefined]);
  });

  it("is the live one when nobody names one", () => {
    const of = (id: string, phase: string, start_ms: number) => ({ id, phase, start_ms }) as Opening;
    const list = [of("old", "closed", 1), of("later", "published", 9), of("now", "live", 5), of("next", "armed", 8)];
    expect(chooseOpening(list)?.id).toBe("now");
    expect(chooseOpening(list.filter((o) => o.id !== "now"))?.id).toBe("next");
    expect(chooseOpening([])).toBeUndefined();
  });

  it("is chosen anew when it is gone or another one runs, and stays otherwise", () => {
    const of = (id: string, phase: string, start_ms: number) => ({ id, phase, start_ms }) as Opening;
    const [done, next, now] = [of("done", "closed", 1), of("next", "published", 9), of("now", "live", 5)];
    expect(chooseAnew("done", [done, next])).toBe("done");
    expect(chooseAnew("done", [done, next, now])).toBe("now");
    expect(chooseAnew("now", [of("early", "live", 2), now])).toBe("now");
    expect(chooseAnew("gone", [done, next])).toBe("next");
    expect(chooseAnew("gone", [])).toBeUndefined();
  });

  it("shows hashes short enough to compare", () => {
    expect(shortHash("a".repeat(64))).toHaveLength(21);
  });
});

describe("small headings", () => {
  it.each([
    [["东区1号楼", "东区10号楼", "东区12号楼"], ["1号楼", "10号楼", "12号楼"]],
    [["11#", "12#"], ["11#", "12#"]],
    [["1#", "2#"], ["1#", "2#"]],
    [["A", "A"], ["A", "A"]],
    [["只有一栋"], ["只有一栋"]],
    [[], []],
  ])("of %j are %j", (names, short) => expect(withoutCommonStart(names)).toEqual(short));
});

it("the screen's words stand in both languages", () => {
  expect(catalogueFaults(screenZh, { ...screenEn, "lang.switch": "Chinese" })).toEqual([]);
});
