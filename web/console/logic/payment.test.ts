import { describe, expect, it } from "vitest";
import type { Hold } from "@shared/api/staff";
import { due, effectOf, newer, running, urgency } from "./payment";

describe("a payment's effect", () => {
  const hold = { deposit_fen: 5_000_000, paid_fen: 2_000_000 };
  it.each([
    [1_000_000, { due_fen: 2_000_000, completes: false, surplus_fen: 0 }],
    [3_000_000, { due_fen: 0, completes: true, surplus_fen: 0 }],
    [3_500_000, { due_fen: 0, completes: true, surplus_fen: 500_000 }],
  ])("of %i fen is %j", (amount, effect) => expect(effectOf(hold, amount)).toEqual(effect));

  it("never asks for less than nothing", () => expect(due({ deposit_fen: 1, paid_fen: 5 })).toBe(0));
});

describe("a hold in two answers", () => {
  const hold = { generation: 1, seq: 5, paid_fen: 2, state: "held" } as Hold;
  // Mutation caught: taking the list's word always put a paid hold back to unpaid for a round of polling.
  it.each([
    [{ paid_fen: 0 }, false],
    [{ seq: 4 }, false],
    [{ generation: 0, seq: 9 }, false],
    [{ paid_fen: 5, state: "sold" }, true],
    [{ state: "lapsed" }, true],
  ])("then %j replaces it: %s", (change, taken) => {
    const fresh = { ...hold, ...change };
    expect(newer(hold, fresh)).toBe(taken ? fresh : hold);
  });
});

describe("a deadline", () => {
  it.each([
    [200_000, "calm"],
    [180_000, "soon"],
    [60_000, "now"],
    [0, "over"],
  ] as const)("%i ms away is %s", (left, word) => expect(urgency(left + 7, 7)).toBe(word));

  it("runs for holds only", () => {
    expect([running({ state: "held" }), running({ state: "lapsing" }), running({ state: "sold" })]).toEqual([true, true, false]);
  });
});
