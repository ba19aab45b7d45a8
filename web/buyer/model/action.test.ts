import { describe, expect, it } from "vitest";
import type { Claim, ClaimState } from "@shared/api/buyer";
import { action, placesLeft, type Action, type Situation } from "./action";
import { idle, type Attempt } from "./pick";

const attempt: Attempt = { key: "KEY00001", unit: 1, registration: "RC1", tappedMs: 0 };
const claim = (unit: number, state: ClaimState = "held", deadline_ms = 9): Claim => ({
  id: `c${unit}`, unit, state, generation: 1, code: "K", deposit_fen: 1, paid_fen: 0, deadline_ms, created_ms: 0, seq: 1, extended: false,
});

// Units 0–9 are homes, 10–19 parking. 1, 2, 3 are favourites; 2 is taken.
const live: Situation = {
  phase: "live", paused: false, signedIn: true, device: "picks", eligibility: "passed", pick: idle, selected: null,
  favourites: [1, 2, 3], claims: [],
  isFree: (u) => u !== 2,
  kindOf: (u) => (u < 10 ? "home" : "parking"),
  quota: () => 1,
};
const before: Partial<Situation> = { phase: "armed" };
const no = (code: string, unit = 1) => ({ pick: { at: "no" as const, attempt: { ...attempt, unit }, code, params: {} } });

describe("the one button (UX: says what a tap does now)", () => {
  const cases: [string, Partial<Situation>, Action][] = [
    ["not signed in, before", { ...before, signedIn: false }, { act: "sign-in" }],
    ["not signed in, live", { signedIn: false }, { act: "sign-in" }],
    ["not signed in, over", { signedIn: false, phase: "closed" }, { act: "over" }],
    ["before, nothing open: the first favourite and when", before, { act: "too-early", unit: 1 }],
    ["before, no favourites", { ...before, favourites: [] }, { act: "too-early", unit: null }],
    ["before, a unit open that is no favourite: add it", { ...before, selected: 5 }, { act: "favour", unit: 5 }],
    ["before, a favourite open", { ...before, selected: 3 }, { act: "too-early", unit: 3 }],
    ["before, a viewer may still make a list", { ...before, selected: 5, device: "viewer" }, { act: "favour", unit: 5 }],
    ["live, nothing open: the first free favourite", {}, { act: "pick", unit: 1, favourite: 1 }],
    ["live, the first favourite gone", { isFree: (u) => u > 2 }, { act: "pick", unit: 3, favourite: 3 }],
    ["live, a unit open", { selected: 5 }, { act: "pick", unit: 5, favourite: null }],
    ["live, a favourite open", { selected: 3 }, { act: "pick", unit: 3, favourite: 3 }],
    ["live, a taken unit open: the next favourite", { selected: 2 }, { act: "pick", unit: 1, favourite: 1 }],
    ["live, a taken unit open, no list", { selected: 2, favourites: [] }, { act: "choose", why: "taken", unit: 2 }],
    ["live, nothing open, no list", { favourites: [] }, { act: "choose", why: "nothing", unit: null }],
    ["live, on a viewer", { selected: 5, device: "viewer" }, { act: "request-device" }],
    ["live, pending eligibility looks only", { selected: 5, eligibility: "pending" }, { act: "look-only", eligibility: "pending" }],
    ["paused", { selected: 5, paused: true }, { act: "paused" }],
    ["over", { phase: "closed" }, { act: "over" }],
    ["over, with a deal", { phase: "closed", claims: [claim(4, "sold")] }, { act: "claim", claim: claim(4, "sold") }],
    ["holding: what runs out comes first", { claims: [claim(4)] }, { act: "claim", claim: claim(4) }],
    ["holding two: the one that runs out first", { claims: [claim(4, "held", 9), claim(12, "held", 5)] }, { act: "claim", claim: claim(12, "held", 5) }],
    ["a deal and a hold: the hold", { claims: [claim(4, "sold", 1), claim(12, "held", 5)] }, { act: "claim", claim: claim(12, "held", 5) }],
    ["holding, another home open: no place left", { claims: [claim(4)], selected: 5 }, { act: "choose", why: "quota", unit: 5 }],
    ["holding a home, a parking space open: still a place", { claims: [claim(4)], selected: 11 }, { act: "pick", unit: 11, favourite: null }],
    ["holding, my own open", { claims: [claim(4)], selected: 4 }, { act: "claim", claim: claim(4) }],
    ["a lapsed hold holds nothing", { claims: [claim(4, "lapsed")] }, { act: "pick", unit: 1, favourite: 1 }],
    ["holding on a viewer shows the hold", { claims: [claim(4)], device: "viewer" }, { act: "claim", claim: claim(4) }],
    ["waiting", { pick: { at: "waiting", attempt, stage: "picking", sends: 1, tries: 0, taken: false } }, { act: "confirming", unit: 1, key: "KEY00001", asking: false }],
    ["asking, even when signed out meanwhile", { signedIn: false, pick: { at: "waiting", attempt, stage: "asking", sends: 1, tries: 0, taken: false } }, { act: "confirming", unit: 1, key: "KEY00001", asking: true }],
    ["won", { pick: { at: "yes", attempt, claim: claim(1) } }, { act: "won", claim: claim(1) }],
    ["won, and paid since", { pick: { at: "yes", attempt, claim: claim(1) }, claims: [claim(1, "sold")] }, { act: "won", claim: claim(1, "sold") }],
    ["lost: the next free favourite", { ...no("TAKEN"), isFree: (u) => u > 2 }, { act: "lost", unit: 1, code: "TAKEN", params: {}, next: 3 }],
    ["lost: never the same one again", no("TAKEN"), { act: "lost", unit: 1, code: "TAKEN", params: {}, next: 3 }],
    ["not recorded: the same one again", no("NOT_RECORDED"), { act: "lost", unit: 1, code: "NOT_RECORDED", params: {}, next: 1 }],
    ["not recorded, taken meanwhile: the next", no("NOT_RECORDED", 2), { act: "lost", unit: 2, code: "NOT_RECORDED", params: {}, next: 1 }],
    ["quota used: no next", { ...no("QUOTA_USED"), claims: [claim(4)] }, { act: "lost", unit: 1, code: "QUOTA_USED", params: {}, next: null }],
    ["lost while paused: no next to tap", { ...no("PAUSED"), paused: true }, { act: "lost", unit: 1, code: "PAUSED", params: {}, next: null }],
    ["too early, then open: the same one", no("NOT_OPEN_YET"), { act: "lost", unit: 1, code: "NOT_OPEN_YET", params: {}, next: 1 }],
  ];
  it.each(cases)("%s", (_, change, expected) => {
    expect(action({ ...live, ...change })).toEqual(expected);
  });

  it("counts places by kind", () => {
    const s = { ...live, quota: () => 2, claims: [claim(4), claim(5, "given_up"), claim(12)] };
    expect([placesLeft(s, "home"), placesLeft(s, "parking")]).toEqual([1, 1]);
  });
});
