// The live feed of one opening over WebSocket: keeps a socket open, keeps the board without a gap, keeps the clock.
// It knows no HTTP and no page. Personal frames (answers, claims, devices) are handed on as they come.
//
//   connect ── hello ── snapshot ── board board board …      a gap → ask for a snapshot
//      │ 2 s without hello → `late`: the page works over HTTP meanwhile, the feed goes on trying
//      └ closed, or silent after a probe → again, with a growing pause and jitter (ten thousand phones do this at once)
import { parseFrame, type ClientFrame, type ServerFrame } from "./api/buyer";
import type { Board } from "./board";
import type { ServerClock } from "./clock";

export const PROTOCOL = "kaipan.v1";

export type LinkState = "connecting" | "open" | "late" | "closed";

export interface FeedHandlers {
  /** Every frame after the feed has used it itself. */
  frame?: (frame: ServerFrame) => void;
  link?: (state: LinkState) => void;
}

export interface FeedOptions {
  url: string;
  board: Board;
  clock: ServerClock;
  handlers: FeedHandlers;
  open?: (url: string, protocol: string) => WebSocket;
  random?: () => number;
}

export const LATE_MS = 2000;
const ATTEMPT_MS_MAX = 10_000;
const RETRY_MS_MIN = 300;
const RETRY_MS_MAX = 5000;
/** Pings of the protocol are not visible to a page; a `time` frame is its own proof that the link lives. */
const BEAT_MS = 10_000;
const BEAT_ANSWER_MS_MAX = 4000;
const PROBE_ANSWER_MS_MAX = 800;
/** Round trips right after hello: the best of them is the countdown's precision. */
const FIRST_BEATS_MS: readonly number[] = [0, 250, 600, 1200, 2500];
const SNAPSHOT_AGAIN_MS = 2000;

type Timer = ReturnType<typeof setTimeout>;

export class Feed {
  state: LinkState = "closed";
  /** The last round trip, for the link dot; null while there is none. */
  roundTripMs: number | null = null;
  private readonly options: FeedOptions;
  private socket: WebSocket | null = null;
  private failures = 0;
  private wanted = false;
  private greeted = false;
  private snapshotAskedAtMs = -Infinity;
  private timers: Timer[] = [];
  private answerTimer: Timer | null = null;
  private retryTimer: Timer | null = null;

  constructor(options: FeedOptions) {
    this.options = options;
  }

  start(): void {
    this.wanted = true;
    this.connect();
  }

  stop(): void {
    this.wanted = false;
    this.drop();
    this.become("closed");
  }

  /** A new socket at once: after sign-in, or when the page comes back. */
  restart(): void {
    this.failures = 0;
    this.drop();
    if (this.wanted) this.connect();
  }

  get open(): boolean {
    return this.state === "open";
  }

  /** Hands a frame to an open socket. False: there is none, and nothing was sent. */
  send(frame: ClientFrame): boolean {
    const socket = this.socket;
    if (!socket || !this.greeted || socket.readyState !== 1) return false;
    socket.send(JSON.stringify(frame));
    return true;
  }

  /** Is the link alive? Answers itself: a live one gives a round trip, a dead one is replaced within a second. */
  probe(): void {
    if (!this.wanted) return;
    if (!this.open) {
      // A socket that is already on its way is left alone; a pause between tries is cut short.
      if (this.retryTimer !== null || !this.socket) this.restart();
      return;
    }
    this.beat(PROBE_ANSWER_MS_MAX);
  }

  private connect(): void {
    this.drop();
    if (this.state !== "late") this.become("connecting");
    const make = this.options.open || ((url: string, protocol: string) => new WebSocket(url, protocol));
    let socket: WebSocket;
    try {
      socket = make(this.options.url, PROTOCOL);
    } catch {
      // Some WebViews throw where WebSocket is switched off: to the buyer it is the same as a blocked one.
      this.become("late");
      this.again();
      return;
    }
    this.socket = socket;
    this.greeted = false;
    this.later(LATE_MS, () => {
      if (!this.greeted) this.become("late");
    });
    this.later(ATTEMPT_MS_MAX, () => {
      if (!this.greeted) this.lost();
    });
    socket.onmessage = (event: MessageEvent) => {
      if (socket !== this.socket || typeof event.data !== "string") return;
      const frame = parseFrame(event.data);
      if (frame) this.take(frame);
    };
    socket.onclose = () => {
      if (socket === this.socket) this.lost();
    };
    socket.onerror = () => {
      if (socket === this.socket && !this.greeted) this.lost();
    };
  }

  private take(frame: ServerFrame): void {
    const { board, clock, handlers } = this.options;
    switch (frame.t) {
      case "hello":
        this.greet();
        break;
      case "snapshot":
        this.snapshotAskedAtMs = -Infinity;
        board.snapshot(frame.seq, frame.status);
        break;
      case "board":
        if (board.change(frame.from, frame.to, frame.u) === "gap") this.askSnapshot();
        break;
      case "time":
        this.roundTripMs = Math.max(0, clock.stamp() - frame.c);
        clock.sample(frame.c, frame.now_ms);
        if (this.answerTimer !== null) clearTimeout(this.answerTimer);
        this.answerTimer = null;
        break;
      default:
        break;
    }
    if (handlers.frame) handlers.frame(frame);
  }

  private greet(): void {
    this.greeted = true;
    this.failures = 0;
    this.become("open");
    for (const ms of FIRST_BEATS_MS) this.later(ms, () => this.beat(BEAT_ANSWER_MS_MAX));
    const steady = () => {
      this.beat(BEAT_ANSWER_MS_MAX);
      this.later(BEAT_MS, steady);
    };
    this.later(BEAT_MS, steady);
  }

  private beat(answerMsMax: number): void {
    if (!this.send({ t: "time", c: this.options.clock.stamp() })) return;
    if (this.answerTimer !== null) {
      // An earlier, more patient question is still open: the stricter deadline counts from now.
      if (answerMsMax >= BEAT_ANSWER_MS_MAX) return;
      clearTimeout(this.answerTimer);
    }
    this.answerTimer = setTimeout(() => this.lost(), answerMsMax);
  }

  private askSnapshot(): void {
    const nowMs = this.options.clock.stamp();
    if (nowMs - this.snapshotAskedAtMs < SNAPSHOT_AGAIN_MS) return;
    if (this.send({ t: "snapshot" })) this.snapshotAskedAtMs = nowMs;
  }

  private lost(): void {
    const wasOpen = this.state === "open";
    this.drop();
    if (!this.wanted) return;
    // Right after a live link nobody is told "late": the next try usually succeeds. A failed try is.
    this.become(wasOpen ? "connecting" : "late");
    this.again();
  }

  private again(): void {
    const random = this.options.random || Math.random;
    const ceiling = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * Math.pow(2, this.failures));
    this.failures++;
    if (this.retryTimer !== null) clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => {
      this.retryTimer = null;
      if (this.wanted) this.connect();
    }, ceiling * (0.5 + random() / 2));
  }

  private later(ms: number, run: () => void): void {
    this.timers.push(setTimeout(run, ms));
    // Timers that have fired are only numbers; keep the list short over a day-long page.
    if (this.timers.length > 64) this.timers = this.timers.slice(-32);
  }

  private drop(): void {
    this.timers.forEach((timer) => clearTimeout(timer));
    this.timers = [];
    if (this.answerTimer !== null) clearTimeout(this.answerTimer);
    this.answerTimer = null;
    if (this.retryTimer !== null) clearTimeout(this.retryTimer);
    this.retryTimer = null;
    const socket = this.socket;
    this.socket = null;
    this.greeted = false;
    this.roundTripMs = null;
    this.snapshotAskedAtMs = -Infinity;
    if (socket) {
      try {
        socket.close();
      } catch {
        // Already closing.
      }
    }
  }

  private become(state: LinkState): void {
    if (state === this.state) return;
    this.state = state;
    if (this.options.handlers.link) this.options.handlers.link(state);
  }
}
