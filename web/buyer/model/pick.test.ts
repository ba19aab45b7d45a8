import { describe, expect, it } from "vitest";
import type { Answer, Claim } from "@shared/api/buyer";
import { idle, newKey, step, type Attempt, type PickEffect, type PickEvent, type PickState } from "./pick";

const tapped: Attempt = { key: "KEY00001", unit: 7, registration: "RC1", tappedMs: 1000 };
const claim: Claim = {
  id: "c1", unit: 7, state: "held", generation: 1, code: "K7Q2", deposit_fen: 5, paid_fen: 0,
  deadline_ms: 9, created_ms: 1, seq: 3, extended: false,
};
const tap: PickEvent = { on: "tap", attempt: tapped };
const says = (answer: unknown): PickEvent => ({ on: "answer", answer: { key: "KEY00001", ...(answer as object) } as Answer });
const yes = says({ answer: "yes", claim });
const no = says({ answer: "no", code: "TAKEN", params: { unit: 7 } });
const inProgress = says({ answer: "in_progress" });
const unknown = says({ answer: "unknown" });
const due: PickEvent = { on: "due" };
const lostAt = (nowMs: number): PickEvent => ({ on: "lost", nowMs });
const backAt = (nowMs: number): PickEvent => ({ on: "returned", nowMs });
const refused = (status: number, code: string, params = {}, nowMs = 1100): PickEvent => ({ on: "refused", key: "KEY00001", status, code, params, nowMs });
const slowDown = (ms: number) => refused(429, "SLOW_DOWN", { retry_after_ms: ms });

function show(effect: PickEffect): string {
  switch (effect.do) {
    case "keep": return "keep";
    case "forget": return "forget";
    case "pick": return `${effect.again ? "again" : "pick"} ${effect.unit}`;
    case "ask": return "ask";
    case "wait": return effect.ms === null ? "stop" : `wait ${effect.ms}`;
  }
}

function run(events: PickEvent[]): [string, string] {
  let state: PickState = idle;
  let last: PickEffect[] = [];
  for (const event of events) [state, last] = step(state, event);
  const at = state.at === "waiting" ? state.stage : state.at === "no" ? `no ${state.code}` : state.at;
  return [at, last.map(show).join(", ")];
}

describe("a tap, from the finger to the truth (OP-41, OP-42, OP-48, OP-89)", () => {
  const cases: [string, PickEvent[], string, string][] = [
    ["a tap is kept before it is sent", [tap], "picking", "keep, pick 7, wait 4000"],
    ["yes", [tap, yes], "yes", "forget, stop"],
    ["no", [tap, no], "no TAKEN", "forget, stop"],
    ["a second tap while one waits is nothing", [tap, tap], "picking", ""],
    ["an answer to another key is nothing", [tap, { on: "answer", answer: { key: "OTHER001", answer: "yes", claim } }], "picking", ""],
    ["in progress waits", [tap, inProgress], "picking", "wait 250"],
    ["in progress repeats the same pick", [tap, inProgress, due], "picking", "again 7, wait 4000"],
    ["in progress again and again", [tap, inProgress, due, inProgress, due], "picking", "again 7, wait 4000"],
    ["yes after in progress", [tap, inProgress, due, yes], "yes", "forget, stop"],
    ["silence asks, it never picks again", [tap, due], "asking", "ask, wait 1500"],
    ["silence after a repeat asks", [tap, inProgress, due, due], "asking", "ask, wait 1500"],
    ["a question without answer is asked again, more slowly", [tap, due, due], "asking", "ask, wait 2250"],
    ["and at most every five seconds", [tap, due, due, due, due, due, due], "asking", "ask, wait 5000"],
    ["unknown asks shortly", [tap, unknown], "asking", "wait 400"],
    ["unknown, asked", [tap, unknown, due], "asking", "ask, wait 2250"],
    ["unknown is not an answer to a question either", [tap, due, unknown], "asking", "wait 400"],
    ["in progress does not turn a question back into a pick", [tap, due, inProgress, due], "asking", "ask, wait 2250"],
    ["the question finds the claim", [tap, due, yes], "yes", "forget, stop"],
    ["the question finds nothing", [tap, due, says({ answer: "no", code: "NOT_RECORDED" })], "no NOT_RECORDED", "forget, stop"],
    ["a link lost right after the tap: the same pick over another way", [tap, lostAt(1500)], "picking", "again 7, wait 4000"],
    ["lost twice: a breath before the next", [tap, lostAt(1500), lostAt(1501)], "picking", "wait 250"],
    ["… and then the same pick", [tap, lostAt(1500), lostAt(1501), due], "picking", "again 7, wait 4000"],
    ["a link lost late: only a question", [tap, lostAt(4001)], "asking", "ask, wait 1500"],
    ["a link lost while asking leaves the timer alone", [tap, due, lostAt(1600)], "asking", ""],
    ["the phone's clock set back is not fresh", [tap, lostAt(10)], "asking", "ask, wait 1500"],
    ["back from a locked screen: ask at once", [tap, backAt(60_000)], "asking", "ask, wait 1500"],
    ["back within moments: the answer is on its way", [tap, backAt(1500)], "picking", ""],
    ["back while asking: ask at once", [tap, due, backAt(1600)], "asking", "ask, wait 2250"],
    ["after a reload: ask at once", [{ on: "restored", attempt: tapped }], "asking", "ask, wait 1500"],
    ["a reload during another tap does not disturb it", [tap, { on: "restored", attempt: { ...tapped, key: "OLD00001" } }], "picking", ""],
    ["slow down, short: the same pick a little later", [tap, slowDown(700)], "picking", "wait 700"],
    ["slow down, then the same pick", [tap, slowDown(700), due], "picking", "pick 7, wait 4000"],
    ["in progress, slow down, then the same pick, which may have been taken", [tap, inProgress, due, slowDown(700), due], "picking", "again 7, wait 4000"],
    ["slow down, long: said to the buyer", [tap, slowDown(30_000)], "no SLOW_DOWN", "forget, stop"],
    ["slow down, long, after a repeat: not a no", [tap, inProgress, due, slowDown(30_000)], "asking", "wait 5000"],
    ["slow down while asking", [tap, due, slowDown(3000)], "asking", "wait 3000"],
    ["signed out at the first sending: a clean no", [tap, refused(401, "SESSION_ENDED")], "no SESSION_ENDED", "forget, stop"],
    ["signed out after a repeat: nobody knows", [tap, inProgress, due, refused(401, "SESSION_ENDED")], "asking", "wait 5000"],
    ["signed out while asking: the question stays", [tap, due, refused(401, "SESSION_ENDED")], "asking", "wait 5000"],
    ["a server in trouble, fresh: again", [tap, refused(503, "HTTP_503")], "picking", "wait 250"],
    ["a server in trouble, late: ask", [tap, refused(503, "HTTP_503", {}, 9000)], "asking", "ask, wait 1500"],
    ["a refusal of another key is nothing", [tap, { on: "refused", key: "OTHER001", status: 409, code: "KEY_REUSED", params: {}, nowMs: 1 }], "picking", ""],
    ["my claims show the unit before the answer comes", [tap, { on: "claims", claims: [claim] }], "yes", "forget, stop"],
    ["a lapsed claim of the same unit is no yes", [tap, { on: "claims", claims: [{ ...claim, state: "lapsed" }] }], "picking", ""],
    ["a yes wins over a no of the same key that overtook it", [tap, no, yes], "yes", "forget, stop"],
    ["a no never takes back a yes", [tap, yes, no], "yes", ""],
    ["a wait cannot be dismissed", [tap, { on: "dismissed" }], "picking", ""],
    ["a no can", [tap, no, { on: "dismissed" }], "idle", ""],
    ["a yes whose hold has run out is shown no longer", [tap, yes, { on: "claims", claims: [{ ...claim, state: "lapsed" }] }], "idle", ""],
    ["a timer that comes too late is nothing", [tap, yes, due], "yes", ""],
  ];
  it.each(cases)("%s", (_, events, state, effects) => {
    expect(run(events)).toEqual([state, effects]);
  });

  it("a shown yes follows its claim", () => {
    let [state] = step(idle, tap);
    [state] = step(state, yes);
    [state] = step(state, { on: "claims", claims: [{ ...claim, state: "sold", paid_fen: 5 }] });
    expect(state.at === "yes" && state.claim.state).toBe("sold");
  });

  it("never two different keys on the wire for one tap, whatever happens", () => {
    // A small random walk over all events; the seed is printed by the name of a failing case.
    for (let seed = 1; seed <= 300; seed++) {
      let x = seed;
      const roll = (n: number) => (x = (x * 48271) % 2147483647) % n;
      const events = [inProgress, unknown, due, lostAt(1000 + roll(9000)), backAt(1000 + roll(90_000)), slowDown(roll(5000)),
        refused(503, "HTTP_503", {}, 1000 + roll(9000)), refused(401, "SESSION_ENDED"), tap];
      let [state, effects] = step(idle, tap);
      for (let i = 0; i < 40; i++) {
        const sent = effects.filter((e) => e.do === "pick" || e.do === "ask") as { key: string }[];
        sent.forEach((e) => expect(e.key, `seed ${seed}`).toBe("KEY00001"));
        // While the outcome is open a timer always runs, or an event has just left the running one alone.
        [state, effects] = step(state, events[roll(events.length)] as PickEvent);
      }
      if (state.at === "no") expect(["SLOW_DOWN", "SESSION_ENDED"], `seed ${seed}`).toContain(state.code);
    }
  });

  it("makes keys that the wire accepts, each its own", () => {
    const keys = [newKey(), newKey()];
    keys.forEach((key) => expect(key).toMatch(/^[A-Za-z0-9_-]{8,40}$/));
    expect(keys[0]).not.toBe(keys[1]);
  });
});
