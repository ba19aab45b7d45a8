// One opening through its ups and downs, with a door and a socket that a test plays.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Opening } from "@shared/api/buyer";
import { NoAnswer, Problem } from "@shared/http";
import type { Door } from "./api";
import { Sale } from "./sale";

class FakeSocket {
  static all: FakeSocket[] = [];
  readyState = 0;
  onmessage: ((e: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  constructor() {
    FakeSocket.all.push(this);
  }
  /** Answers the feed's beats, so that it stays. */
  send(text: string) {
    const { t, c } = JSON.parse(text) as { t: string; c: number };
    if (t === "time") setTimeout(() => this.says({ t, c, now_ms: Date.now() }));
  }
  close() {
    this.readyState = 3;
  }
  says(frame: object) {
    this.readyState = 1;
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  static get last(): FakeSocket {
    return FakeSocket.all[FakeSocket.all.length - 1]!;
  }
}

const opening: Opening = {
  id: "o", name: "n", project_name: "p", phase: "armed", paused: false, start_ms: 60_000, end_ms: 600_000, now_ms: 0, hold_s: 900,
  favourites_max: 10, participants: 1, deposit_fen: { home: 1, parking: 1, shop: 1, storage: 1 },
  quota: { home: 1, parking: 1, shop: 1, storage: 1 }, catalogue_hash: "h1", units_hash: "u", roster_hash: "r", rehearsal: false, simulated: false,
};
const unit = { unit: 0, kind: "home" as const, building: "1#", floor: "2", room: "201", total_fen: 1 };
const hello = { t: "hello", protocol: 1, opening: "o", now_ms: 5, phase: "armed", paused: false, start_ms: 60_000, end_ms: 600_000, device: "anonymous", seq: 1 };

function setUp() {
  const door = {
    socketUrl: "ws://x",
    opening: { ...opening },
    failure: null as unknown,
    reads: 0,
    read() {
      this.reads++;
      return this.failure ? Promise.reject(this.failure) : Promise.resolve({ ...this.opening });
    },
    board() {
      return this.failure ? Promise.reject(this.failure) : Promise.resolve({ seq: 1, status: "0" });
    },
    catalogue: (hash: string) => Promise.resolve({ hash, units: [{ ...unit, room: hash }] }),
  };
  const sale = new Sale(door as unknown as Door, { frame: () => undefined, socketLost: () => undefined, round: () => Promise.resolve() });
  return { door, sale };
}
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(0);
  FakeSocket.all = [];
  vi.stubGlobal("WebSocket", FakeSocket);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the sale (OP-41, OP-89)", () => {
  it("reads once over HTTP and then follows the socket", async () => {
    const { door, sale } = setUp();
    sale.start();
    await pass(0);
    FakeSocket.last.says(hello);
    await pass(8000);
    expect([sale.loading.value, sale.polling.value, door.reads]).toEqual(["ready", false, 1]);
    sale.stop();
  });

  it("polls while no socket opens, and stops when one does", async () => {
    const { door, sale } = setUp();
    sale.start();
    await pass(2000);
    expect(sale.polling.value).toBe(true);
    await pass(10_000);
    const polled = door.reads;
    expect(polled).toBeGreaterThan(3);
    FakeSocket.last.says(hello);
    await pass(0);
    const after = door.reads;
    await pass(8000);
    expect([sale.polling.value, door.reads]).toEqual([false, after]);
    sale.stop();
  });

  it("comes back from a withdrawal even when the socket opens before the next poll, with the new catalogue", async () => {
    const { door, sale } = setUp();
    sale.start();
    await pass(0);
    FakeSocket.last.says(hello);
    door.failure = new Problem(404, "NOT_FOUND", {}, "");
    FakeSocket.last.onclose!();
    await pass(300);
    FakeSocket.last.onclose!();
    await pass(100);
    expect(sale.loading.value).toBe("missing");
    door.failure = null;
    door.opening.catalogue_hash = "h2";
    await pass(600);
    // Seen red without the reading on reopening: the poller stops before its round, and the page stays "missing".
    FakeSocket.last.says(hello);
    await pass(0);
    expect([sale.loading.value, sale.units.value!.get(0)!.room]).toEqual(["ready", "h2"]);
    sale.stop();
  });

  it("says offline and opens by itself; many returns leave one retry", async () => {
    const { door, sale } = setUp();
    door.failure = new NoAnswer("network");
    sale.start();
    await pass(0);
    expect(sale.loading.value).toBe("offline");
    for (let i = 0; i < 5; i++) await sale.truth();
    const before = door.reads;
    await pass(1000);
    expect(door.reads - before).toBeLessThanOrEqual(2);
    door.failure = null;
    await pass(9000);
    expect(sale.loading.value).toBe("ready");
    sale.stop();
  });

  it("turns live by the clock, paused by a frame, and an older answer does not undo the frame", async () => {
    const { door, sale } = setUp();
    sale.start();
    await pass(0);
    FakeSocket.last.says(hello);
    await pass(61_000);
    expect(sale.phase.value).toBe("live");
    FakeSocket.last.says({ t: "control", phase: "live", paused: true, start_ms: 60_000, end_ms: 600_000, now_ms: 61_000 });
    door.opening.now_ms = 60_999;
    await sale.truth();
    expect(sale.opening.value!.paused).toBe(true);
    door.opening.now_ms = 61_001;
    await sale.truth();
    expect(sale.opening.value!.paused).toBe(false);
    sale.stop();
  });
});
