// One tap, from the finger to the truth. A machine without time, network or storage of its own: it is told what
// happened and says what to do. It holds the promises that a buyer lives by:
//   · one tap has one key for ever; nothing is ever picked a second time under another key behind the buyer's back;
//   · "no" is said only when the server said no; silence is "confirming" until `ask` has the truth;
//   · a key is kept (localStorage) from before it is sent until its answer is known.
//
//   idle ── tap ──▶ waiting(picking) ── yes / no ──▶ yes | no ── dismissed ──▶ idle
//                     │   ▲ └ in_progress → same pick, same key
//        silence, unknown │
//                     ▼   │ (a link lost within moments of the tap: the same pick once more, same key)
//                   waiting(asking) ── yes / no ──▶ yes | no
import type { Answer, Claim, Params } from "@shared/api/buyer";

export interface Attempt {
  key: string;
  unit: number;
  /** Whose pick it is: after a sign-in as somebody else it is not asked. */
  registration: string;
  /** By the phone's own clock, only to tell a fresh tap from an old one. */
  tappedMs: number;
}

export type PickState =
  | { at: "idle" }
  /** `taken`: an earlier sending may have been taken; its outcome may be known to another gateway alone. */
  | { at: "waiting"; attempt: Attempt; stage: "picking" | "asking"; sends: number; tries: number; taken: boolean }
  | { at: "yes"; attempt: Attempt; claim: Claim }
  | { at: "no"; attempt: Attempt; code: string; params: Params };

export type PickEvent =
  | { on: "tap"; attempt: Attempt }
  | { on: "answer"; answer: Answer }
  /** The server refused to process it (problem+json, or an error frame with our key). */
  | { on: "refused"; key: string; status: number; code: string; params: Params; nowMs: number }
  /** The link broke, or a request got no answer. */
  | { on: "lost"; nowMs: number }
  /** The timer that `wait` asked for. */
  | { on: "due" }
  /** Kept keys found after a reload, newest first. */
  | { on: "restored"; attempt: Attempt }
  /** The page came back from a locked screen, a frozen tab, another app, or the network did. */
  | { on: "returned"; nowMs: number }
  /** My claims as the server knows them. */
  | { on: "claims"; claims: readonly Claim[] }
  | { on: "dismissed" };

export type PickEffect =
  | { do: "keep"; attempt: Attempt }
  | { do: "forget"; key: string }
  /** `again`: an earlier sending may have been taken. */
  | { do: "pick"; key: string; unit: number; again?: true }
  | { do: "ask"; key: string }
  /** Replaces the timer that runs; `null` stops it. */
  | { do: "wait"; ms: number | null };

export type Step = [PickState, PickEffect[]];

/** The server answers within a second, or says in_progress; the rest is the network's share. */
export const SILENCE_MS = 4000;
/** A pick whose link broke this soon after the tap is what the buyer still wants: the same pick again, not a question. */
export const FRESH_MS = 3000;
const REPEAT_MS = 250;
const UNKNOWN_MS = 400;
const ASK_AGAIN_MS = 1500;
const ASK_AGAIN_MS_MAX = 5000;
/** A longer pause than this would pick a home when the buyer no longer expects it. */
const SLOW_DOWN_MS_MAX = 2000;

export const idle: PickState = { at: "idle" };

export function step(state: PickState, event: PickEvent): Step {
  switch (event.on) {
    case "tap":
      return state.at === "waiting" ? [state, []] : begin(event.attempt);
    case "restored":
      return state.at === "waiting" ? [state, []] : ask(waiting(event.attempt, 1));
    case "dismissed":
      return state.at === "waiting" ? [state, []] : [idle, []];
    case "claims":
      return seen(state, event.claims);
    case "answer":
      return answered(state, event.answer);
    default:
      break;
  }
  if (state.at !== "waiting") return [state, []];
  switch (event.on) {
    case "refused":
      return event.key === state.attempt.key ? refused(state, event) : [state, []];
    case "lost":
      // The timer of a question already runs; asking at once again and again would only hammer a dead network.
      if (state.stage === "asking") return [state, []];
      if (!fresh(state, event.nowMs)) return ask(state);
      return state.sends === 1
        ? repeat({ ...state, taken: true })
        : [{ ...state, tries: 1, taken: true }, [{ do: "wait", ms: REPEAT_MS }]];
    case "returned":
      return fresh(state, event.nowMs) ? [state, []] : ask(state);
    case "due":
      return state.stage === "picking" && state.tries > 0 ? repeat({ ...state, tries: 0 }) : ask(state);
  }
}

type Waiting = Extract<PickState, { at: "waiting" }>;

function waiting(attempt: Attempt, sends: number): Waiting {
  return { at: "waiting", attempt, stage: "picking", sends, tries: 0, taken: false };
}

function begin(attempt: Attempt): Step {
  return [
    waiting(attempt, 1),
    [
      { do: "keep", attempt },
      { do: "pick", key: attempt.key, unit: attempt.unit },
      { do: "wait", ms: SILENCE_MS },
    ],
  ];
}

function fresh(state: Waiting, nowMs: number): boolean {
  const age = nowMs - state.attempt.tappedMs;
  return state.stage === "picking" && age >= 0 && age < FRESH_MS;
}

function repeat(state: Waiting): Step {
  const { key, unit } = state.attempt;
  const pick: PickEffect = state.taken ? { do: "pick", key, unit, again: true } : { do: "pick", key, unit };
  return [{ ...state, sends: state.sends + 1 }, [pick, { do: "wait", ms: SILENCE_MS }]];
}

function ask(state: Waiting): Step {
  const tries = state.stage === "asking" ? state.tries + 1 : 0;
  const ms = Math.min(ASK_AGAIN_MS_MAX, ASK_AGAIN_MS * Math.pow(1.5, tries));
  return [{ ...state, stage: "asking", tries }, [{ do: "ask", key: state.attempt.key }, { do: "wait", ms }]];
}

function settle(next: PickState, key: string): Step {
  return [next, [{ do: "forget", key }, { do: "wait", ms: null }]];
}

function answered(state: PickState, answer: Answer): Step {
  if (state.at === "no" && answer.answer === "yes" && answer.key === state.attempt.key) {
    // Answers crossed on the way. A yes is never taken back, so that it wins over a no of the same key.
    return settle({ at: "yes", attempt: state.attempt, claim: answer.claim }, answer.key);
  }
  if (state.at !== "waiting" || answer.key !== state.attempt.key) return [state, []];
  switch (answer.answer) {
    case "yes":
      return settle({ at: "yes", attempt: state.attempt, claim: answer.claim }, answer.key);
    case "no":
      return settle({ at: "no", attempt: state.attempt, code: answer.code, params: answer.params || {} }, answer.key);
    case "in_progress":
      // While asking, the question stays a question: repeating could pick what the buyer has given up on.
      if (state.stage === "asking") return [state, [{ do: "wait", ms: UNKNOWN_MS }]];
      return [{ ...state, tries: 1, taken: true }, [{ do: "wait", ms: REPEAT_MS }]];
    case "unknown":
      return [{ ...state, stage: "asking" }, [{ do: "wait", ms: UNKNOWN_MS }]];
  }
}

function refused(state: Waiting, event: Extract<PickEvent, { on: "refused" }>): Step {
  const { code, params, status } = event;
  const onlyOnce = state.stage === "picking" && state.sends === 1;
  if (code === "SLOW_DOWN" || status === 429) {
    const wait = typeof params["retry_after_ms"] === "number" ? (params["retry_after_ms"] as number) : ASK_AGAIN_MS;
    if (state.stage === "asking") return [state, [{ do: "wait", ms: Math.max(wait, UNKNOWN_MS) }]];
    if (wait <= SLOW_DOWN_MS_MAX) return [{ ...state, tries: 1 }, [{ do: "wait", ms: wait }]];
  } else if (status >= 500) {
    return fresh(state, event.nowMs) ? [{ ...state, tries: 1, taken: true }, [{ do: "wait", ms: REPEAT_MS }]] : ask(state);
  }
  // Refused before it was looked at, and never sent before: nothing can have happened under this key.
  if (onlyOnce) return settle({ at: "no", attempt: state.attempt, code, params }, state.attempt.key);
  // An earlier sending may have been taken. Signed out, or refused for another cause: the question stays open.
  return [{ ...state, stage: "asking" }, [{ do: "wait", ms: ASK_AGAIN_MS_MAX }]];
}

const MINE = ["held", "lapsing", "sold"];

function seen(state: PickState, claims: readonly Claim[]): Step {
  if (state.at === "yes") {
    const claim = claims.filter((c) => c.id === state.claim.id)[0];
    // Run out, given up or released since: there is nothing left to rejoice in.
    if (claim && MINE.indexOf(claim.state) < 0) return [idle, []];
    return [claim ? { ...state, claim } : state, []];
  }
  if (state.at !== "waiting") return [state, []];
  const claim = claims.filter((c) => c.unit === state.attempt.unit && MINE.indexOf(c.state) >= 0)[0];
  return claim ? settle({ at: "yes", attempt: state.attempt, claim }, state.attempt.key) : [state, []];
}

const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** 20 random letters: no clock in it, so that two phones with equal clocks cannot meet. */
export function newKey(random: (bytes: Uint8Array) => Uint8Array = (b) => crypto.getRandomValues(b as Uint8Array<ArrayBuffer>)): string {
  const bytes = random(new Uint8Array(20));
  let key = "";
  for (let i = 0; i < bytes.length; i++) key += LETTERS[(bytes[i] as number) & 31];
  return key;
}
