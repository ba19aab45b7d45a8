import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Board } from "@shared/board";
import { LiveFeed, type Link, type Source } from "./live";

class FakeSource implements Source {
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  close() {
    this.closed = true;
    this.readyState = 2;
  }
  says(frame: unknown) {
    this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }
}

function setUp(status = "2222") {
  const sources: FakeSource[] = [];
  const links: Link[] = [];
  const events: number[] = [];
  const board = new Board();
  const fetchBoard = vi.fn(async () => ({ seq: 99, status }));
  const feed = new LiveFeed({
    url: "/live",
    board,
    fetchBoard,
    onEvent: (event) => events.push(event.seq),
    onControl: () => undefined,
    onLink: (link) => links.push(link),
    open: () => {
      const source = new FakeSource();
      sources.push(source);
      return source;
    },
  });
  feed.start();
  return { sources, links, events, board, fetchBoard, feed, last: () => sources[sources.length - 1] as FakeSource };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("the staff's live feed (MS-6)", () => {
  it("keeps the board by snapshot and changes, and hands events on", () => {
    const { last, board, events, links } = setUp();
    last().onopen?.();
    last().says({ t: "snapshot", seq: 3, status: "0000" });
    last().says({ t: "board", from: 3, to: 4, u: [1, 2] });
    last().says({ t: "event", seq: 4, kind: "sold", unit: 1, at_ms: 1 });
    last().says("not json");
    expect([board.seq, board.at(1), events, links]).toEqual([4, 2, [4], ["connecting", "open"]]);
  });

  // Mutation caught: leaving out the answer to "gap" keeps the old board for ever.
  it("asks once for the whole board when a change is missing", async () => {
    const { last, board, fetchBoard } = setUp();
    last().says({ t: "snapshot", seq: 3, status: "0000" });
    last().says({ t: "board", from: 7, to: 8, u: [1, 2] });
    last().says({ t: "board", from: 8, to: 9, u: [2, 2] });
    await vi.advanceTimersByTimeAsync(1);
    expect(fetchBoard).toHaveBeenCalledTimes(1);
    expect([board.seq, board.at(3)]).toEqual([99, 2]);
  });

  it("polls while the line is down, tries again with growing pauses, and stops polling when it is back", async () => {
    const { last, sources, fetchBoard, links, board } = setUp();
    for (const pause of [500, 1_000, 2_000]) {
      const before = sources.length;
      last().readyState = 2;
      last().onerror?.();
      await vi.advanceTimersByTimeAsync(pause - 1);
      expect(sources.length).toBe(before);
      await vi.advanceTimersByTimeAsync(1);
      expect(sources.length).toBe(before + 1);
    }
    expect(fetchBoard).toHaveBeenCalledTimes(1);
    expect(board.seq).toBe(99);
    last().onopen?.();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(fetchBoard).toHaveBeenCalledTimes(1);
    expect(links[links.length - 1]).toBe("open");
  });

  it("leaves a line that the browser is mending alone", async () => {
    const { last, sources } = setUp();
    last().readyState = 0;
    last().onerror?.();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(sources.length).toBe(1);
  });

  it("is silent after stop", async () => {
    const { last, feed, fetchBoard, sources } = setUp();
    last().readyState = 2;
    last().onerror?.();
    feed.stop();
    await vi.advanceTimersByTimeAsync(20_000);
    expect([sources.length, fetchBoard.mock.calls.length]).toEqual([1, 0]);
  });
});
