import { describe, expect, it } from "vitest";
import type { GatewayStatus, OpeningHead, OpeningStatus, RedisHealth, Status, Trouble } from "@shared/api/staff";
import { lasts, openingsSeen, redisSeen, span, whereIs } from "./status";

const redis = (address: string, change: Partial<RedisHealth> = {}) => ({ address, reachable: true, ...change }) as RedisHealth;
const opening = (id: string) => ({ id, epoch: 1 }) as OpeningStatus;
const gateway = (id: string, state: GatewayStatus["state"], change: Partial<GatewayStatus["report"]> = {}): GatewayStatus => ({
  id, name: `门 ${id}`, version: "1", state, buyers_door: "", staff_door: "", started_ms: 1_000, seen_ms: 9_000,
  report: { connected: 0, clock_offset_us: 0, clock_refuses: false, redis: [], openings: [], ...change } as GatewayStatus["report"],
});
const head = (id: string) => ({ id, name: `场 ${id}` }) as OpeningHead;
const status = (change: Partial<Status>): Status =>
  ({ now_ms: 10_000, well: true, troubles: [], gateways: [], openings: [], ...change }) as Status;

describe("the status of all gateways (OP-85)", () => {
  // Mutation caught: what a killed gateway said last told as if it were so now.
  it("tells of a Redis and an opening by those that live", () => {
    const both = { redis: [redis("a:1"), redis("b:2")], openings: [opening("x")] };
    const seen = status({
      gateways: [gateway("1", "ready", both), gateway("2", "silent", both), gateway("3", "draining", both), gateway("4", "gone", both)],
      openings: [head("x"), head("y")],
    });
    expect(redisSeen(seen).map((one) => [one.address, one.at.map((at) => at.gateway)])).toEqual([
      ["a:1", ["门 1", "门 3"]],
      ["b:2", ["门 1", "门 3"]],
    ]);
    expect(openingsSeen(seen).map((one) => [one.head.id, one.gateway])).toEqual([["x", "门 1"], ["x", "门 3"], ["y", null]]);
    const unread = status({ gateways: [{ ...gateway("1", "ready"), report: null }], openings: [head("x")] });
    expect(openingsSeen(unread)).toEqual([{ head: head("x"), gateway: null, opening: null }]);
  });

  it("counts from the start of one that lives, and from the last word of one that does not", () => {
    expect(lasts(gateway("1", "ready"), 10_000)).toBe(9_000);
    expect(lasts(gateway("1", "silent"), 10_000)).toBe(1_000);
    expect(lasts(gateway("1", "ready"), 500)).toBe(0);
  });

  it("says where a trouble is by the names that people use", () => {
    const seen = status({ gateways: [gateway("1", "ready")], openings: [head("x")] });
    const at = (change: Partial<Trouble>) =>
      whereIs({ code: "X", severity: "act", params: {}, gateway: null, opening: null, redis: null, ...change }, seen);
    expect(at({ gateway: "1", opening: "x", redis: "a:1" })).toEqual(["门 1", "场 x", "a:1"]);
    expect(at({ gateway: "gone since" })).toEqual(["gone since"]);
    expect(at({})).toEqual([]);
  });

  it.each([
    [-5, "span.s", { s: 0 }],
    [59_999, "span.s", { s: 59 }],
    [312_000, "span.m", { m: 5, s: 12 }],
    [7_500_000, "span.h", { h: 2, m: 5 }],
    [273_600_000, "span.d", { d: 3, h: 4 }],
  ] as const)("says %d ms in the two units that matter", (ms, key, params) => {
    expect(span(ms)).toEqual({ key, params });
  });
});
