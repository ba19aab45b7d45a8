// The small pieces: pending keys, favourites, filters, phase, link, return.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Unit } from "@shared/api/buyer";
import { add, merge, move, remove } from "./favourites";
import { activeCount, bound, layoutsOf, matches, noFilters, type Filters } from "./filters";
import { quality, type LinkFacts } from "./link";
import { Pending, type Store } from "./pending";
import { nextLookMs, phaseAt } from "./phase";
import type { Attempt } from "./pick";
import { onReturn } from "./wake";

describe("pending keys (OP-89)", () => {
  const a: Attempt = { key: "A0000001", unit: 1, registration: "RC1", tappedMs: 1 };
  const b: Attempt = { key: "B0000001", unit: 2, registration: "RC1", tappedMs: 2 };
  const other: Attempt = { key: "C0000001", unit: 3, registration: "RC2", tappedMs: 3 };

  class Fake implements Store {
    map: Record<string, string> = {};
    getItem = (k: string) => (k in this.map ? (this.map[k] as string) : null);
    setItem = (k: string, v: string) => void (this.map[k] = v);
    removeItem = (k: string) => void delete this.map[k];
  }

  it("outlive the page, newest first, each registration's own", () => {
    const store = new Fake();
    const first = new Pending("o", store);
    [a, b, other].forEach((x) => first.keep(x));
    expect(new Pending("o", store).of("RC1")).toEqual([b, a]);
    expect(new Pending("another opening", store).of("RC1")).toEqual([]);
    new Pending("o", store).forget(b.key);
    expect(first.of("RC1")).toEqual([a]);
  });

  it("leave nothing behind", () => {
    const store = new Fake();
    const pending = new Pending("o", store);
    pending.keep(a);
    pending.forget(a.key);
    expect(store.map).toEqual({});
  });

  it.each([["nonsense"], ['{"a":1}'], ['[{"key":1}]'], ["null"]])("survive %s in storage", (text) => {
    const store = new Fake();
    store.setItem("kp.pending.o", text);
    expect(new Pending("o", store).of("RC1")).toEqual([]);
  });

  it("stay in memory where storage is forbidden", () => {
    const broken: Store = { getItem: () => { throw new Error(); }, setItem: () => { throw new Error(); }, removeItem: () => { throw new Error(); } };
    for (const store of [null, broken]) {
      const pending = new Pending("o", store);
      pending.keep(a);
      expect(pending.of("RC1")).toEqual([a]);
    }
  });
});

describe("favourites (OP-16)", () => {
  it.each([
    ["add", add([1, 2], 3, 3), { units: [1, 2, 3] }],
    ["add twice", add([1, 2], 2, 3), { units: [1, 2] }],
    ["add beyond the limit", add([1, 2], 3, 2), { full: 2 }],
    ["remove", remove([1, 2, 3], 2), [1, 3]],
    ["up", move([1, 2, 3], 3, -1), [1, 3, 2]],
    ["down", move([1, 2, 3], 1, 1), [2, 1, 3]],
    ["up at the top", move([1, 2, 3], 1, -1), [1, 2, 3]],
    ["down at the end", move([1, 2, 3], 3, 1), [1, 2, 3]],
    ["move what is not there", move([1, 2], 9, 1), [1, 2]],
    ["merge after sign-in", merge([5, 1], [1, 2, 3], 3), [5, 1, 2]],
  ])("%s", (_, result, expected) => expect(result).toEqual(expected));
});

describe("filters", () => {
  const unit: Unit = { unit: 0, kind: "home", floor: "3A", room: "3A01", layout: "3室2厅2卫", gross_area_centi: 8912, total_fen: 243_921_400 };
  const cases: [string, Partial<Filters>, boolean, boolean][] = [
    ["none", {}, false, true],
    ["free only, free", { freeOnly: true }, true, true],
    ["free only, taken", { freeOnly: true }, false, false],
    ["layout", { layouts: ["3室2厅2卫"] }, true, true],
    ["another layout", { layouts: ["4室2厅2卫"] }, true, false],
    ["area at the bound", { areaMinCenti: 8912, areaMaxCenti: 8912 }, true, true],
    ["area too small", { areaMinCenti: 8913 }, true, false],
    ["price too high", { priceMaxFen: 243_921_399 }, true, false],
    ["floor 3A is above 3", { floorMin: 4 }, true, false],
    ["floor 3A is below 4", { floorMin: 3, floorMax: 4 }, true, true],
  ];
  it.each(cases)("%s", (_, change, free, expected) => expect(matches(unit, { ...noFilters, ...change }, free)).toBe(expected));

  it("a unit without an area does not match a wanted area", () => {
    expect(matches({ ...unit, gross_area_centi: null }, { ...noFilters, areaMaxCenti: 9000 }, true)).toBe(false);
  });

  it.each([
    ["", null], [" ", null], ["abc", null], ["-1", null], ["88.5", 8850], ["８９", 8900],
  ])("the field %j is %j", (text, expected) => expect(bound(text, 100)).toBe(expected));

  it("counts its parts and lists the layouts", () => {
    expect(activeCount({ ...noFilters, layouts: ["x"], areaMinCenti: 1, areaMaxCenti: 2, freeOnly: true })).toBe(3);
    expect(layoutsOf([{ ...unit, layout: "b" }, unit, { ...unit, layout: null }, unit])).toEqual(["3室2厅2卫", "b"]);
  });
});

describe("phase by the server's clock (OP-39)", () => {
  const opening = { phase: "armed" as const, start_ms: 10_000, end_ms: 20_000 };
  it.each([
    ["before", opening, 9999, "armed"],
    ["at the start, told or not", opening, 10_000, "live"],
    ["at the end", opening, 20_000, "closed"],
    ["ended early", { ...opening, phase: "closed" as const }, 12_000, "closed"],
    ["live by the server's word", { ...opening, phase: "live" as const }, 9999, "live"],
  ])("%s", (_, o, now, expected) => expect(phaseAt(o, now)).toBe(expected));

  it.each([[0, 1000], [9300, 700], [9990, 10], [9999, 10], [10_250, 750]])("at %d looks again in %d ms", (now, ms) => {
    expect(nextLookMs(opening, now)).toBe(ms);
  });
  it("looks exactly at a start between two seconds", () => expect(nextLookMs({ start_ms: 10_500, end_ms: 20_000 }, 10_100)).toBe(400));
});

describe("the link's grade", () => {
  const facts: LinkFacts = { socketOpen: true, roundTripMs: 80, online: true, httpWorks: true };
  it.each([
    ["good", facts, "good"],
    ["not measured yet", { ...facts, roundTripMs: null }, "good"],
    ["slow", { ...facts, roundTripMs: 900 }, "fair"],
    ["blocked socket", { ...facts, socketOpen: false }, "http"],
    ["blocked socket, failing requests", { ...facts, socketOpen: false, httpWorks: false }, "offline"],
    ["aeroplane", { ...facts, socketOpen: false, online: false }, "offline"],
  ])("%s", (_, f, expected) => expect(quality(f as LinkFacts)).toBe(expected));
});

describe("coming back (OP-89: the truth within a second of return)", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  function world() {
    const doc = Object.assign(new EventTarget(), { visibilityState: "visible" as DocumentVisibilityState });
    const win = new EventTarget();
    let frozenMs = 0;
    let backs = 0;
    const stop = onReturn(() => backs++, { document: doc as never, window: win as never, nowMs: () => Date.now() + frozenMs });
    return { doc, win, stop, freeze: (ms: number) => (frozenMs += ms), get backs() { return backs; } };
  }

  it.each([
    ["online", {}, 1],
    ["focus", {}, 1],
    ["pageshow", { persisted: true }, 1],
    // The first load of a page says so too; asking twice for everything would double every buyer's start.
    ["pageshow", { persisted: false }, 0],
  ])("on %s %j", (name, fields, backs) => {
    const w = world();
    w.win.dispatchEvent(Object.assign(new Event(name), fields));
    expect(w.backs).toBe(backs);
  });

  it("on becoming visible, not on being hidden", () => {
    const w = world();
    w.doc.visibilityState = "hidden";
    w.doc.dispatchEvent(new Event("visibilitychange"));
    expect(w.backs).toBe(0);
    w.doc.visibilityState = "visible";
    w.doc.dispatchEvent(new Event("visibilitychange"));
    expect(w.backs).toBe(1);
  });

  it("once for the several events of one return", () => {
    const w = world();
    w.doc.dispatchEvent(new Event("visibilitychange"));
    w.win.dispatchEvent(new Event("focus"));
    w.win.dispatchEvent(new Event("online"));
    expect(w.backs).toBe(1);
  });

  it("within a second of a freeze that no event told of", () => {
    const w = world();
    vi.advanceTimersByTime(5000);
    expect(w.backs).toBe(0);
    w.freeze(60_000);
    vi.advanceTimersByTime(1000);
    expect(w.backs).toBe(1);
  });

  it("no more after stop", () => {
    const w = world();
    w.stop();
    w.win.dispatchEvent(new Event("online"));
    w.freeze(60_000);
    vi.advanceTimersByTime(5000);
    expect(w.backs).toBe(0);
  });
});
