import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Opening, Screen } from "@shared/api/buyer";
import { Board } from "@shared/board";
import { ServerClock } from "@shared/clock";
import { NoAnswer, Problem } from "@shared/http";
import { POLL_MS, Truth, type Link } from "./truth";

function setUp() {
  const server = { up: true, seq: 1, status: "000", hash: "h1", unpublished: false };
  const asked = { opening: 0, catalogue: 0, screen: 0, board: 0 };
  const answer = async <T>(what: keyof typeof asked, value: () => T): Promise<T> => {
    asked[what] += 1;
    if (!server.up) throw new NoAnswer("network");
    if (server.unpublished) throw new Problem(404, "NOT_FOUND", {}, "r");
    return value();
  };
  const links: Link[] = [];
  const screens: number[] = [];
  const board = new Board();
  const truth = new Truth(
    {
      opening: () => answer("opening", () => ({ catalogue_hash: server.hash, now_ms: 1 }) as Opening),
      catalogue: (hash) => answer("catalogue", () => ({ hash, units: [] })),
      screen: () => answer("screen", () => ({ now_ms: 1, seq: server.seq }) as Screen),
      board: () => answer("board", () => ({ seq: server.seq, status: server.status })),
    },
    board,
    new ServerClock({ monoMs: () => Date.now(), wallMs: () => Date.now() }),
    {
      opening: () => undefined,
      catalogue: () => undefined,
      screen: (value) => screens.push(value.seq),
      link: (link) => links.push(link),
    },
  );
  truth.start();
  return { server, asked, links, screens, board, truth };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("the screen's truth (OP-89: recovers alone)", () => {
  it("brings record, catalogue, figures and board at the start", async () => {
    const { asked, board, links } = setUp();
    await pass(0);
    expect(asked).toEqual({ opening: 1, catalogue: 1, screen: 1, board: 1 });
    expect([board.seq, links]).toEqual([1, ["connecting", "open"]]);
  });

  // Mutation caught: polling the board only at the start leaves yesterday's board after the kill.
  it("survives a server that is killed and comes back with more sold", async () => {
    const { server, board, links, screens } = setUp();
    await pass(0);
    server.up = false;
    await pass(60_000);
    expect(links[links.length - 1]).toBe("offline");
    expect(board.at(0)).toBe(0);
    Object.assign(server, { up: true, seq: 9, status: "222" });
    await pass(8_000);
    expect([links[links.length - 1], board.seq, board.at(0), screens[screens.length - 1]]).toEqual(["open", 9, 2, 9]);
  });

  it("does not call one lost answer an outage", async () => {
    const { server, links } = setUp();
    await pass(0);
    server.up = false;
    await pass(POLL_MS);
    server.up = true;
    await pass(POLL_MS);
    expect(links).not.toContain("offline");
  });

  it("leaves the board to the socket while it keeps up, and helps when it does not", async () => {
    const { server, asked, board, truth } = setUp();
    await pass(0);
    truth.socket(true);
    await pass(10 * POLL_MS);
    expect(asked.board).toBe(1);
    server.seq = 5;
    await pass(POLL_MS);
    expect([asked.board, board.seq]).toEqual([2, 5]);
    truth.socket(false);
    await pass(3 * POLL_MS);
    expect(asked.board).toBeGreaterThanOrEqual(5);
  });

  it("asks early when cells turned, once for a burst", async () => {
    const { asked, truth } = setUp();
    await pass(0);
    truth.socket(true);
    for (let i = 0; i < 50; i += 1) truth.frame({ t: "board", from: i, to: i + 1, u: [0, 1] });
    await pass(500);
    expect(asked.screen).toBe(2);
  });

  it("waits for an opening that is unpublished, and takes its new catalogue", async () => {
    const { server, asked, links } = setUp();
    await pass(0);
    server.unpublished = true;
    await pass(30_000);
    expect(links[links.length - 1]).toBe("missing");
    Object.assign(server, { unpublished: false, hash: "h2" });
    await pass(10_000);
    expect([links[links.length - 1], asked.catalogue]).toEqual(["open", 2]);
  });

  it("says within seconds that a server without it is back, and does not forget that when the line drops", async () => {
    const { server, links } = setUp();
    await pass(0);
    server.up = false;
    await pass(60_000);
    Object.assign(server, { up: true, unpublished: true });
    await pass(8_500);
    expect(links[links.length - 1]).toBe("missing");
    server.up = false;
    await pass(30_000);
    // Mutation caught: "offline" here put the old opening back on the wall.
    expect(links[links.length - 1]).toBe("missing");
    Object.assign(server, { up: true, unpublished: false });
    await pass(8_500);
    expect(links[links.length - 1]).toBe("open");
  });

  it("keeps quiet after stop", async () => {
    const { asked, truth } = setUp();
    await pass(0);
    truth.stop();
    await pass(60_000);
    expect(asked.screen).toBe(1);
  });
});
