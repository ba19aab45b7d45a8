import { describe, expect, it } from "vitest";
import type { Hold } from "@shared/api/staff";
import { deskRows, due, effectOf, newer, running, urgency } from "./payment";

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

describe("the cashier's list", () => {
  const of = (claim: string, state: string, deadline_ms: number) => ({ claim, state, deadline_ms }) as Hold;
  const names = (holds: Hold[]) => holds.map((hold) => hold.claim).join(" ");
  const [late, soon, sold] = [of("late", "held", 9), of("soon", "lapsing", 3), of("sold", "sold", 1)];

  it("has the soonest deadline first, and what does not run after it", () => {
    expect(names(deskRows([sold, late, soon]))).toBe("soon late sold");
  });

  // Mutation caught: the filtered list alone said "nothing found" beside the receipt.
  it("keeps the hold that was just paid, as it stands now and once", () => {
    const paid = { ...soon, state: "sold" };
    expect(names(deskRows([], paid))).toBe("soon");
    expect(deskRows([late, soon], paid)).toEqual([paid, late]);
    expect(names(deskRows([late, soon], { ...late, paid_fen: 1 }))).toBe("soon late");
  });
});
