import { describe, expect, it } from "vitest";
import type { LoadRun, OpeningAdmin, ServerState } from "@shared/api/staff";
import { bytes, figure, outcome, rates, reason, rehearsable, stageOf, toLoadRun, usualBuyers, type LoadForm } from "./ops";

const server = (change: Partial<ServerState>): ServerState => ({
  version: "1", now_ms: 10_000, started_ms: 1, database: "sqlite", cpu_s: 5, cores: 4, memory_bytes: 1, files_open: 1,
  files_max: 1, sockets: 1, connections: 1, commits: 100, commits_s: 0.5, disk_free_bytes: null, clock_offset_s: null,
  openings: [], ...change,
});
const run = (change: Partial<LoadRun>): LoadRun => ({
  run: "01J", scenario: "burst", opening: "01O", name: "首开", rehearsal: "01R", buyers: 10, by: "admin", asked_ms: 0,
  start_ms: 1_000, ended_ms: null, state: "running", verdict: null, p99_ms: null, reasons: [], ...change,
});

describe("the ops page (OP-94)", () => {
  // Mutation caught: the seconds between the looks left out of `cores`.
  it("works figures out between two looks at the same process", () => {
    const later = server({ now_ms: 12_000, cpu_s: 8, commits: 110, commits_s: 0.6 });
    const found = rates(server({}), later);
    expect(found.cores).toBeCloseTo(1.5);
    expect(found.commits_per_s).toBeCloseTo(5);
    expect(found.commit_ms).toBeCloseTo(10);
    expect(rates(undefined, server({}))).toEqual({ commit_ms: 5 });
    expect(rates(server({}), { ...later, started_ms: 2 }).cores).toBeUndefined();
    expect(rates(server({}), server({ now_ms: 10_100 })).cores).toBeUndefined();
    expect(rates(server({ cpu_s: null }), { ...later, commits: null, commits_s: null })).toEqual({});
  });

  it("shows sizes and durations with the figures that matter", () => {
    expect([bytes(null), bytes(312e6), bytes(1.44e9), bytes(2e12)]).toEqual(["–", "312 MB", "1.4 GB", "2.0 TB"]);
    expect([0.42, 8.34, 120.4, -0.001, -250.2].map(figure)).toEqual(["0.42", "8.3", "120", "0.00", "-250"]);
  });

  // Mutation caught: the start not looked at.
  it.each([
    ["copying", { state: "preparing", start_ms: null }],
    ["gathering", { start_ms: 2_001 }],
    ["under_way", { start_ms: 2_000 }],
    ["over", { state: "done" }],
  ] as const)("knows how far a run is: %s", (stage, change) => {
    expect(stageOf(run(change), 2_000)).toBe(stage);
  });

  // Mutation caught: a run without a verdict told as passed.
  it.each([
    ["pass", { state: "done", verdict: "pass" }],
    ["fail", { state: "done", verdict: "fail" }],
    ["refused", { state: "done", verdict: "refused" }],
    ["failed", { state: "done", verdict: null }],
    ["failed", { state: "failed" }],
    ["stopped", { state: "stopped" }],
  ] as const)("says how a run ended: %s", (key, change) => {
    expect(outcome(run(change)).key).toBe(key);
  });

  it("reads a reason in the page's language", () => {
    expect(reason("慢 | slow", "zh-CN")).toBe("慢");
    expect(reason("慢 | slow", "en")).toBe("slow");
    expect(reason("exit 2", "en")).toBe("exit 2");
  });

  it("offers openings with homes, the next one first, and no rehearsal", () => {
    const opening = (id: string, start_ms: number, change: object = {}) =>
      ({ id, start_ms, state: "published", units: { total: 3 }, registrations: { total: 0 }, ...change }) as OpeningAdmin;
    const all = [
      opening("past", 1), opening("later", 900), opening("next", 500), opening("copy", 500, { rehearsal: true }),
      opening("empty", 500, { units: { total: 0 } }), opening("gone", 500, { state: "disabled" }),
    ];
    expect(rehearsable(all, 100).map((o) => o.id)).toEqual(["next", "later", "past"]);
    expect(usualBuyers(opening("a", 1), 10_000)).toBe(1000);
    expect(usualBuyers(opening("a", 1, { registrations: { total: 20_000 } }), 10_000)).toBe(10_000);
  });

  it("sends whole numbers within the bounds and names the field that is wrong", () => {
    const form: LoadForm = { opening: "01O", scenario: "burst", buyers: "10000", start_in_s: 60, p99_ms: "250" };
    expect(toLoadRun(form, 10_000)).toEqual({
      body: { scenario: "burst", buyers: 10_000, start_in_s: 60, limits: { answer_p99_ms: 250 } },
      faults: {},
    });
    const wrong = toLoadRun({ ...form, opening: "", buyers: "10001", p99_ms: "1.5" }, 10_000);
    expect(Object.keys(wrong.faults).sort()).toEqual(["buyers", "opening", "p99_ms"]);
  });
});
