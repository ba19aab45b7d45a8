import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ServerFrame } from "./api/buyer";
import { Board } from "./board";
import { ServerClock } from "./clock";
import { Feed, LATE_MS, type LinkState } from "./feed";

class FakeSocket {
  readyState = 0;
  sent: { t: string; c?: number }[] = [];
  onmessage: ((e: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
  }
  says(frame: unknown) {
    this.readyState = 1;
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  breaks() {
    this.readyState = 3;
    this.onclose?.();
  }
  /** Answers every time frame that waits. */
  beats() {
    const waiting = this.sent.filter((f) => f.t === "time");
    this.sent = this.sent.filter((f) => f.t !== "time");
    waiting.forEach((f) => this.says({ t: "time", c: f.c, now_ms: 1 }));
  }
}

const hello = { t: "hello", protocol: 1, opening: "x", now_ms: 1, phase: "live", paused: false, start_ms: 0, end_ms: 9, device: "picks", seq: 5 };

function setUp() {
  const sockets: FakeSocket[] = [];
  const links: LinkState[] = [];
  const frames: ServerFrame[] = [];
  const board = new Board();
  const feed = new Feed({
    url: "ws://x",
    board,
    clock: new ServerClock({ monoMs: () => Date.now(), wallMs: () => Date.now() }),
    handlers: { frame: (f) => frames.push(f), link: (s) => links.push(s) },
    open: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket as unknown as WebSocket;
    },
    random: () => 1,
  });
  feed.start();
  return { sockets, links, frames, board, feed, last: () => sockets[sockets.length - 1]! };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("Feed (OP-41, OP-89)", () => {
  it("greets, takes the snapshot and the changes, hands frames on", () => {
    const { last, board, links, frames } = setUp();
    last().says(hello);
    last().says({ t: "snapshot", seq: 5, status: "000" });
    last().says({ t: "board", from: 5, to: 6, u: [1, 1] });
    expect(board.at(1)).toBe(1);
    expect(links).toEqual(["connecting", "open"]);
    expect(frames.map((f) => f.t)).toEqual(["hello", "snapshot", "board"]);
  });

  it("asks for a snapshot on a gap, once, and again if none comes", () => {
    const { last } = setUp();
    last().says(hello);
    last().says({ t: "snapshot", seq: 5, status: "000" });
    const asked = () => last().sent.filter((f) => f.t === "snapshot").length;
    last().says({ t: "board", from: 7, to: 8, u: [1, 1] });
    last().says({ t: "board", from: 8, to: 9, u: [1, 1] });
    expect(asked()).toBe(1);
    vi.advanceTimersByTime(2100);
    last().says({ t: "board", from: 9, to: 10, u: [1, 1] });
    expect(asked()).toBe(2);
  });

  it("says late when no hello came in two seconds, and still takes one that comes later", () => {
    const { last, links, sockets } = setUp();
    vi.advanceTimersByTime(LATE_MS - 1);
    expect(links).toEqual(["connecting"]);
    vi.advanceTimersByTime(1);
    expect(links).toEqual(["connecting", "late"]);
    last().says(hello);
    expect(links).toEqual(["connecting", "late", "open"]);
    expect(sockets.length).toBe(1);
  });

  it("stays late, not flickering, while tries fail, with growing pauses", () => {
    const { last, links, sockets } = setUp();
    for (const pause of [300, 600, 1200, 2400, 4800, 5000, 5000]) {
      const before = sockets.length;
      last().breaks();
      vi.advanceTimersByTime(pause - 1);
      expect(sockets.length).toBe(before);
      vi.advanceTimersByTime(1);
      expect(sockets.length).toBe(before + 1);
    }
    expect(links).toEqual(["connecting", "late"]);
  });

  it("replaces a link that does not answer a probe within a second", () => {
    const { last, feed, sockets } = setUp();
    last().says(hello);
    vi.advanceTimersByTime(3000);
    last().beats();
    feed.probe();
    vi.advanceTimersByTime(1200);
    expect(sockets.length).toBe(2);
  });

  it("keeps a link that answers its beats for an hour", () => {
    const { last, sockets, feed } = setUp();
    last().says(hello);
    for (let s = 0; s < 3600; s++) {
      vi.advanceTimersByTime(1000);
      last().beats();
    }
    expect(sockets.length).toBe(1);
    expect(feed.roundTripMs).not.toBeNull();
  });

  it("sends only over an open socket, and nothing after stop", () => {
    const { last, feed, sockets } = setUp();
    expect(feed.send({ t: "ask", key: "k" })).toBe(false);
    last().says(hello);
    expect(feed.send({ t: "ask", key: "k" })).toBe(true);
    feed.stop();
    expect(feed.send({ t: "ask", key: "k" })).toBe(false);
    vi.advanceTimersByTime(60_000);
    expect(sockets.length).toBe(1);
  });

  it("a late word from a socket that was replaced changes nothing", () => {
    const { sockets, feed, board } = setUp();
    sockets[0]!.says(hello);
    feed.restart();
    sockets[0]!.says({ t: "snapshot", seq: 9, status: "111" });
    expect(board.ready).toBe(false);
  });
});
