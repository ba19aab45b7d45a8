// The parts that carry things out, with fakes for the network: runner, poller, cells, person.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { watchEffect } from "vue";
import type { Answer, Claim, ClientFrame, Me, SignedIn } from "@shared/api/buyer";
import { Board } from "@shared/board";
import { NoAnswer, Problem } from "@shared/http";
import type { Door } from "./api";
import { Cells } from "./cells";
import { deviceLabel } from "./device";
import { Pending } from "./pending";
import { Person } from "./person";
import { Poller } from "./poll";
import { PickRunner } from "./runner";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const claim: Claim = {
  id: "c1", unit: 7, state: "held", generation: 1, code: "K7Q2", deposit_fen: 5, paid_fen: 0,
  deadline_ms: 9, created_ms: 1, seq: 3, extended: false,
};

/** A network that a test plays: each call waits until it is answered or broken. */
class Calls {
  log: string[] = [];
  private waiting: { resolve: (a: Answer) => void; reject: (e: unknown) => void; key: string }[] = [];
  private call(what: string, key: string): Promise<Answer> {
    this.log.push(what);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject, key }));
  }
  pick = (key: string, unit: number) => this.call(`http pick ${unit}`, key);
  ask = (key: string) => this.call("http ask", key);
  async answers(answer: object) {
    const call = this.waiting.shift()!;
    call.resolve({ key: call.key, ...answer } as Answer);
    await vi.advanceTimersByTimeAsync(0);
  }
  async breaks(error: unknown) {
    this.waiting.shift()!.reject(error);
    await vi.advanceTimersByTimeAsync(0);
  }
}

function runner() {
  const calls = new Calls();
  const socket = { open: true, frames: [] as ClientFrame[] };
  const feed = {
    send: (frame: ClientFrame) => {
      if (socket.open) {
        socket.frames.push(frame);
        calls.log.push(`socket ${frame.t}`);
      }
      return socket.open;
    },
  };
  const pending = new Pending("o", null);
  const claims: Claim[] = [];
  let signedOut = 0;
  const run = new PickRunner({ door: calls, feed, pending, signedOut: () => signedOut++, claimed: (c) => claims.push(c) });
  const key = () => (pending.of("RC1")[0] || { key: "" }).key;
  return { run, calls, socket, pending, claims, key, get signedOut() { return signedOut; } };
}

describe("the runner (OP-41: the same key over both ways)", () => {
  it("picks over the socket, keeps the key until the answer, and tells of the claim", () => {
    const r = runner();
    r.run.tap(7, "RC1");
    const key = r.key();
    expect(r.socket.frames).toEqual([{ t: "pick", key, unit: 7 }]);
    r.run.frame({ t: "answer", key, answer: "yes", claim });
    expect(r.run.state.value.at).toBe("yes");
    expect(r.pending.of("RC1")).toEqual([]);
    expect(r.claims).toEqual([claim]);
  });

  it("picks over HTTP when no socket is open", async () => {
    const r = runner();
    r.socket.open = false;
    r.run.tap(7, "RC1");
    await r.calls.answers({ answer: "no", code: "TAKEN" });
    expect(r.run.state.value).toMatchObject({ at: "no", code: "TAKEN" });
    expect(r.calls.log).toEqual(["http pick 7"]);
  });

  it("takes the same pick over HTTP when the socket breaks right after the tap", async () => {
    const r = runner();
    r.run.tap(7, "RC1");
    const key = r.key();
    r.socket.open = false;
    r.run.socketLost();
    expect(r.calls.log).toEqual(["socket pick", "http pick 7"]);
    expect(r.key()).toBe(key);
    await r.calls.answers({ answer: "yes", claim });
    expect(r.run.state.value.at).toBe("yes");
  });

  it("asks after four silent seconds, first over HTTP, then also over the socket", async () => {
    const r = runner();
    r.run.tap(7, "RC1");
    vi.advanceTimersByTime(4000);
    expect(r.calls.log).toEqual(["socket pick", "http ask"]);
    vi.advanceTimersByTime(1500);
    expect(r.calls.log).toEqual(["socket pick", "http ask", "socket ask"]);
    r.run.frame({ t: "answer", key: r.key(), answer: "no", code: "NOT_RECORDED" });
    expect(r.run.state.value).toMatchObject({ at: "no", code: "NOT_RECORDED" });
  });

  it("does not hammer a dead network", async () => {
    const r = runner();
    r.socket.open = false;
    r.run.tap(7, "RC1");
    for (let i = 0; i < 4; i++) {
      await r.calls.breaks(new NoAnswer("network"));
      await vi.advanceTimersByTimeAsync(300);
    }
    expect(r.calls.log.length).toBeLessThanOrEqual(5);
    expect(r.run.state.value.at).toBe("waiting");
  });

  it("asks at once for what was open when the page was reloaded", async () => {
    const r = runner();
    r.pending.keep({ key: "OLD00001", unit: 3, registration: "RC1", tappedMs: 1 });
    r.pending.keep({ key: "OLD00002", unit: 4, registration: "RC1", tappedMs: 2 });
    r.pending.keep({ key: "OLD00003", unit: 4, registration: "RC9", tappedMs: 3 });
    r.run.restore("RC1");
    expect(r.calls.log).toEqual(["http ask", "http ask"]);
    await r.calls.answers({ answer: "yes", claim });
    expect(r.run.state.value).toMatchObject({ at: "yes", attempt: { key: "OLD00002" } });
    await r.calls.answers({ answer: "no", code: "NOT_RECORDED" });
    expect(r.pending.of("RC1")).toEqual([]);
    // Somebody else's key on the same phone is not touched.
    expect(r.pending.of("RC9").length).toBe(1);
  });

  it("says signed out, and keeps the question open after a repeat", async () => {
    const r = runner();
    r.socket.open = false;
    r.run.tap(7, "RC1");
    await r.calls.answers({ answer: "in_progress" });
    await vi.advanceTimersByTimeAsync(250);
    await r.calls.breaks(new Problem(401, "SESSION_ENDED", {}, ""));
    expect(r.signedOut).toBe(1);
    expect(r.run.state.value.at).toBe("waiting");
    expect(r.pending.of("RC1").length).toBe(1);
  });

  it("an error frame with our key waits as long as it says", () => {
    const r = runner();
    r.run.tap(7, "RC1");
    r.run.frame({ t: "error", code: "SLOW_DOWN", params: { retry_after_ms: 900 }, key: r.key() });
    vi.advanceTimersByTime(899);
    expect(r.calls.log).toEqual(["socket pick"]);
    vi.advanceTimersByTime(1);
    expect(r.calls.log).toEqual(["socket pick", "socket pick"]);
  });

  // Mutation that turned it red: a code that the map of statuses does not know is a final refusal.
  it.each(["NOT_READY", "OVERLOADED", "INTERNAL"])("a server in trouble (%s) refused nothing: the same key again", (code) => {
    const r = runner();
    r.run.tap(7, "RC1");
    r.run.frame({ t: "error", code, params: {}, key: r.key() });
    expect(r.run.state.value.at).toBe("waiting");
    vi.advanceTimersByTime(250);
    expect(r.calls.log).toEqual(["socket pick", "socket pick"]);
  });
});

describe("the poller", () => {
  it("starts at once, never runs two rounds together, stops", async () => {
    let rounds = 0;
    let end: () => void = () => undefined;
    const poller = new Poller(() => (rounds++, new Promise<void>((resolve) => (end = resolve))), () => 1000);
    poller.start();
    await vi.advanceTimersByTimeAsync(5000);
    expect(rounds).toBe(1);
    end();
    await vi.advanceTimersByTimeAsync(1200);
    expect(rounds).toBe(2);
    poller.stop();
    end();
    await vi.advanceTimersByTimeAsync(9000);
    expect(rounds).toBe(2);
  });

  it("goes on after a failed round", async () => {
    let rounds = 0;
    const poller = new Poller(() => (rounds++, Promise.reject(new NoAnswer("network"))), () => 1000);
    poller.start();
    await vi.advanceTimersByTimeAsync(2600);
    expect(rounds).toBeGreaterThanOrEqual(2);
    poller.stop();
  });
});

describe("cells: one change of ten thousand touches one row", () => {
  it("only who shows the unit is run again", async () => {
    const board = new Board();
    const cells = new Cells(board);
    board.snapshot(1, "0".repeat(10_000));
    const runs = [0, 0];
    watchEffect(() => (runs[0]!++, cells.at(5)));
    watchEffect(() => (runs[1]!++, cells.at(6)));
    board.change(1, 2, [5, 1, 9000, 1]);
    await vi.advanceTimersByTimeAsync(0);
    expect(runs).toEqual([2, 1]);
    expect([cells.at(5), cells.isFree(6), cells.at(9000)]).toEqual([1, true, 1]);
  });

  it("counts at most four times a second", async () => {
    const board = new Board();
    const cells = new Cells(board);
    board.snapshot(1, "0".repeat(100));
    await vi.advanceTimersByTimeAsync(300);
    let runs = 0;
    let free = 0;
    watchEffect(() => (runs++, (free = cells.counts([1, 2, 3]).free)));
    for (let i = 0; i < 20; i++) {
      board.change(1 + i, 2 + i, [i, 1]);
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(free).toBe(0);
    expect(runs).toBeLessThanOrEqual(6);
  });
});

describe("the person", () => {
  const me: Me = {
    registration: { code: "RC1", name_masked: "张*", quota: { home: 1, parking: 1, shop: 1, storage: 1 }, eligibility: "passed", earnest_fen: 0 },
    device: "picks", session: "s1", favourites: [5], claims: [],
  };
  function person(door: Partial<Door>) {
    const known: [string, boolean][] = [];
    const p = new Person({
      door: { opening: "o", ...door } as Door,
      store: null,
      favouritesMax: () => 3,
      claimsChanged: () => undefined,
      known: (registration, fresh) => known.push([registration, fresh]),
    });
    return { p, known };
  }

  it("keeps the list made before signing in, behind the server's", async () => {
    const saved: number[][] = [];
    const store = { "kp.favourites.o": "[1,5,2,3]" } as Record<string, string>;
    const p = new Person({
      door: { opening: "o", favourites: (units: number[]) => (saved.push(units), Promise.resolve({ units })) } as unknown as Door,
      store: { getItem: (k) => store[k] || null, setItem: (k, v) => void (store[k] = v), removeItem: (k) => void delete store[k] },
      favouritesMax: () => 3,
      claimsChanged: () => undefined,
      known: () => undefined,
    });
    expect(p.favourites.value).toEqual([1, 5, 2, 3]);
    p.signedIn({ token: "t", device: "picks", me } as SignedIn);
    await vi.advanceTimersByTimeAsync(0);
    expect(saved).toEqual([[5, 1, 2]]);
    expect(store).toEqual({});
  });

  it("takes back a list that the server refuses, and says why", async () => {
    const { p } = person({ favourites: () => Promise.reject(new Problem(422, "FAVOURITES_TOO_MANY", { max: 1 }, "")) });
    p.signedIn({ token: "t", device: "picks", me });
    p.setFavourites([5, 6]);
    expect(p.favourites.value).toEqual([5, 6]);
    await vi.advanceTimersByTimeAsync(0);
    expect(p.favourites.value).toEqual([5]);
    expect(p.notice.value).toEqual({ say: "favourites-full", max: 1 });
  });

  it("keeps a list that nobody answered for, and saves it at the next refresh", async () => {
    let works = false;
    const saved: number[][] = [];
    const { p } = person({
      me: () => Promise.resolve(me),
      favourites: (units) => (works ? (saved.push([...units]), Promise.resolve({ units: [...units] })) : Promise.reject(new NoAnswer("network"))),
    });
    p.signedIn({ token: "t", device: "picks", me });
    p.setFavourites([5, 6]);
    await vi.advanceTimersByTimeAsync(0);
    expect(p.favourites.value).toEqual([5, 6]);
    works = true;
    await p.refresh();
    await vi.advanceTimersByTimeAsync(0);
    expect(saved).toEqual([[5, 6]]);
    expect(p.favourites.value).toEqual([5, 6]);
  });

  it("tells when a hold ends, and is not moved by an older word", () => {
    const { p } = person({});
    p.signedIn({ token: "t", device: "picks", me: { ...me, claims: [claim] } });
    p.frame({ t: "claim", claim: { ...claim, state: "lapsed", seq: 9 } });
    expect(p.notice.value).toEqual({ say: "lapsed", unit: 7 });
    p.frame({ t: "claim", claim: { ...claim, seq: 8 } });
    expect(p.claims.value[0]!.state).toBe("lapsed");
  });

  it("a declined request does not come back with the next refresh (OP-26)", async () => {
    const asking = { ...me, device_request: { session: "s2", label: "iPad" } };
    const { p } = person({ me: () => Promise.resolve(asking) });
    p.signedIn({ token: "t", device: "picks", me: asking });
    expect(p.request.value).toEqual({ session: "s2", label: "iPad" });
    p.declineRequest();
    await p.refresh();
    expect(p.request.value).toBeNull();
    p.frame({ t: "device", device: "picks", request: { session: "s3", label: "Mac" } });
    expect(p.request.value).toEqual({ session: "s3", label: "Mac" });
  });

  it("a viewer that becomes the picking device is told (OP-26)", () => {
    const { p } = person({});
    p.signedIn({ token: "t", device: "viewer", me: { ...me, device: "viewer" } });
    p.frame({ t: "device", device: "picks" });
    expect([p.device.value, p.notice.value]).toEqual(["picks", { say: "device-picks" }]);
  });

  it("a session that ended is signed out; no answer changes nothing", async () => {
    let error: unknown = new NoAnswer("network");
    const { p } = person({ me: () => Promise.reject(error) });
    p.signedIn({ token: "t", device: "picks", me });
    await p.refresh();
    expect(p.me.value).not.toBeNull();
    error = new Problem(401, "SESSION_ENDED", {}, "");
    await p.refresh();
    expect([p.me.value, p.notice.value]).toEqual([null, { say: "signed-out" }]);
  });

  it("leaving on purpose is no news", async () => {
    const { p } = person({ signOut: () => Promise.resolve() });
    p.signedIn({ token: "t", device: "picks", me });
    await p.signOut();
    expect([p.me.value, p.notice.value]).toEqual([null, null]);
  });

  it("tells the page who it is, once for a kept session", async () => {
    const { p, known } = person({ me: () => Promise.resolve(me) });
    await p.refresh();
    await p.refresh();
    expect(known).toEqual([["RC1", false]]);
  });
});

describe("a device's name", () => {
  it.each([
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 12_1) MicroMessenger/8.0", "iPhone · WeChat"],
    ["Mozilla/5.0 (Linux; Android 10) AppleWebKit Chrome/78.0 Mobile Safari", "Android · Chrome"],
    ["", "?"],
  ])("%s", (agent, name) => expect(deviceLabel(agent)).toBe(name));
});
