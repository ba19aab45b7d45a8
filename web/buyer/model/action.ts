// What the one button at the bottom does now. A pure reading of everything the page knows, so that each row of the
// table in action.test.ts is a situation a buyer can be in.
import type { Claim, Device, Eligibility, Kind, Params, Phase } from "@shared/api/buyer";
import type { PickState } from "./pick";

export interface Situation {
  phase: Phase;
  paused: boolean;
  signedIn: boolean;
  device: Device;
  eligibility: Eligibility;
  pick: PickState;
  /** The unit whose card is open. */
  selected: number | null;
  favourites: readonly number[];
  claims: readonly Claim[];
  isFree: (unit: number) => boolean;
  kindOf: (unit: number) => Kind;
  quota: (kind: Kind) => number;
}

export type Action =
  | { act: "sign-in" }
  /** Before the start: put the open unit on the list. */
  | { act: "favour"; unit: number }
  /** Before the start, with a list: says when, and what a tap will then pick. */
  | { act: "too-early"; unit: number | null }
  | { act: "pick"; unit: number; favourite: number | null }
  /** Open, but nothing is chosen that could be picked. */
  | { act: "choose"; why: "nothing" | "taken" | "quota"; unit: number | null }
  | { act: "confirming"; unit: number; key: string; asking: boolean }
  | { act: "won"; claim: Claim }
  | { act: "lost"; unit: number; code: string; params: Params; next: number | null }
  | { act: "claim"; claim: Claim }
  | { act: "request-device" }
  | { act: "look-only"; eligibility: Eligibility }
  | { act: "paused" }
  | { act: "over" };

const ACTIVE = ["held", "lapsing", "sold"];

export function activeClaims(claims: readonly Claim[]): Claim[] {
  return claims.filter((c) => ACTIVE.indexOf(c.state) >= 0);
}

/** Places left of a kind. The server decides; this only spares a tap that is sure to lose. */
export function placesLeft(s: Pick<Situation, "claims" | "kindOf" | "quota">, kind: Kind): number {
  return s.quota(kind) - activeClaims(s.claims).filter((c) => s.kindOf(c.unit) === kind).length;
}

function pickable(s: Situation, unit: number): boolean {
  return s.isFree(unit) && placesLeft(s, s.kindOf(unit)) > 0;
}

function nextFavourite(s: Situation, except?: number): number | null {
  for (const unit of s.favourites) if (unit !== except && pickable(s, unit)) return unit;
  return null;
}

export function action(s: Situation): Action {
  const pick = s.pick;
  if (pick.at === "waiting") {
    return { act: "confirming", unit: pick.attempt.unit, key: pick.attempt.key, asking: pick.stage === "asking" };
  }
  if (pick.at === "yes") return { act: "won", claim: s.claims.filter((c) => c.id === pick.claim.id)[0] || pick.claim };
  if (pick.at === "no") {
    const { unit } = pick.attempt;
    const open = s.phase === "live" && !s.paused && s.device === "picks";
    // Nothing got through: the same unit is the next best as long as it is free.
    const again = AGAIN.indexOf(pick.code) >= 0 && pickable(s, unit) ? unit : nextFavourite(s, unit);
    return { act: "lost", unit, code: pick.code, params: pick.params, next: open ? again : null };
  }
  return s.signedIn ? signedIn(s) : s.phase === "closed" ? { act: "over" } : { act: "sign-in" };
}

/** Refusals after which the very same unit may still be had. */
const AGAIN = ["NOT_RECORDED", "SLOW_DOWN", "KEY_REUSED", "NOT_OPEN_YET", "PAUSED", "IN_PROGRESS"];

function signedIn(s: Situation): Action {
  const mine = activeClaims(s.claims);
  const own = mine.filter((c) => c.unit === s.selected)[0];
  if (own) return { act: "claim", claim: own };
  const first = mine.slice().sort((a, b) => rank(a) - rank(b) || a.deadline_ms - b.deadline_ms)[0];
  if (s.phase === "closed") return first ? { act: "claim", claim: first } : { act: "over" };
  // What I already hold runs out; it comes before anything else, unless another unit was opened on purpose.
  if (first && s.selected === null) return { act: "claim", claim: first };
  if (s.phase !== "live") return early(s);
  if (s.eligibility !== "passed") return { act: "look-only", eligibility: s.eligibility };
  if (s.device === "viewer") return { act: "request-device" };
  if (s.paused) return { act: "paused" };
  return open(s);
}

function rank(claim: Claim): number {
  return claim.state === "sold" ? 1 : 0;
}

function early(s: Situation): Action {
  if (s.selected !== null && s.favourites.indexOf(s.selected) < 0) return { act: "favour", unit: s.selected };
  return { act: "too-early", unit: s.selected !== null ? s.selected : nextFavourite(s) };
}

function open(s: Situation): Action {
  const unit = s.selected;
  if (unit !== null) {
    if (placesLeft(s, s.kindOf(unit)) <= 0) return { act: "choose", why: "quota", unit };
    if (s.isFree(unit)) return { act: "pick", unit, favourite: place(s, unit) };
    const instead = nextFavourite(s, unit);
    return instead === null ? { act: "choose", why: "taken", unit } : { act: "pick", unit: instead, favourite: place(s, instead) };
  }
  const next = nextFavourite(s);
  return next === null ? { act: "choose", why: "nothing", unit: null } : { act: "pick", unit: next, favourite: place(s, next) };
}

/** Place on the list, counted from one as people do. */
function place(s: Situation, unit: number): number | null {
  const at = s.favourites.indexOf(unit);
  return at < 0 ? null : at + 1;
}
