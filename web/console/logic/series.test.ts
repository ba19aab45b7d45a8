import { describe, expect, it } from "vitest";
import type { LiveEvent } from "@shared/api/staff";
import { EVENTS_MAX, withEvent } from "./events";
import { fillMinutes } from "./series";

describe("minute curve", () => {
  const at = (minute: number) => minute * 60_000;

  it("has a zero for each quiet minute", () => {
    const filled = fillMinutes([{ at_ms: at(10), held: 3, sold: 1 }, { at_ms: at(12), held: 1, sold: 2 }], at(9), at(13) + 59_000);
    expect(filled.map((m) => [m.held, m.sold])).toEqual([[0, 0], [3, 1], [0, 0], [1, 2], [0, 0]]);
  });

  it("keeps the latest minutes of a long day, and one minute before anything began", () => {
    expect(fillMinutes([], at(0), at(500), 60)).toHaveLength(60);
    expect(fillMinutes([], at(900), at(500))).toEqual([{ at_ms: at(500), held: 0, sold: 0 }]);
  });
});

describe("stream of events", () => {
  const event = (seq: number): LiveEvent => ({ t: "event", seq, kind: "held", unit: 1, at_ms: seq });

  it("is newest first, each once, and bounded", () => {
    let events: LiveEvent[] = [];
    for (const seq of [2, 1, 3, 3, 2]) events = withEvent(events, event(seq));
    expect(events.map((e) => e.seq)).toEqual([3, 2, 1]);
    for (let seq = 4; seq < 500; seq += 1) events = withEvent(events, event(seq));
    expect(events).toHaveLength(EVENTS_MAX);
    expect(events[0]?.seq).toBe(499);
  });
});
