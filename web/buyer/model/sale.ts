// One opening as it goes on: what is for sale, how each unit stands, what time it is there, how good the line is.
// Nothing personal. Follows the socket, and HTTP polling while no socket is open.
import { computed, ref, shallowRef, type Ref } from "vue";
import type { Opening, Phase, ServerFrame } from "@shared/api/buyer";
import { Board } from "@shared/board";
import { ServerClock } from "@shared/clock";
import { Feed, type LinkState } from "@shared/feed";
import { Problem } from "@shared/http";
import { Units } from "@shared/units";
import type { Door } from "./api";
import { Cells } from "./cells";
import { quality, type Quality } from "./link";
import { nextLookMs, phaseAt } from "./phase";
import { Poller } from "./poll";

export type Loading = "loading" | "ready" | "missing" | "failed" | "offline";

export interface SaleHandlers {
  frame: (frame: ServerFrame) => void;
  socketLost: () => void;
  /** A polling round: whoever has personal matters joins in. */
  round: () => Promise<void>;
}

const POLL_LIVE_MS = 1000;
const POLL_EARLY_MS = 3000;
const RELOAD_MS_MAX = 8000;

export class Sale {
  readonly door: Door;
  readonly board = new Board();
  readonly clock = new ServerClock();
  readonly cells = new Cells(this.board);
  readonly feed: Feed;
  readonly opening = shallowRef<Opening | null>(null);
  readonly units = shallowRef<Units | null>(null);
  readonly loading: Ref<Loading> = ref("loading");
  readonly boardReady = ref(false);
  readonly nowMs = ref(0);
  readonly link: Ref<Quality> = ref("good");
  /** True once a socket failed to open in time: the page says that it works the plain way. */
  readonly polling = ref(false);
  readonly phase = computed<Phase>(() => {
    const opening = this.opening.value;
    return opening ? phaseAt(opening, this.nowMs.value) : "published";
  });

  private readonly handlers: SaleHandlers;
  private readonly poller: Poller;
  private httpWorks = true;
  private wasDown = false;
  private tries = 0;
  private ticker: ReturnType<typeof setTimeout> | null = null;
  private reload: ReturnType<typeof setTimeout> | null = null;
  private catalogueHash = "";

  constructor(door: Door, handlers: SaleHandlers) {
    this.door = door;
    this.handlers = handlers;
    this.feed = new Feed({
      url: door.socketUrl,
      board: this.board,
      clock: this.clock,
      handlers: { frame: (f) => this.frame(f), link: (s) => this.linkChanged(s) },
    });
    this.poller = new Poller(
      () => this.round(),
      () => (this.phase.value === "live" ? POLL_LIVE_MS : POLL_EARLY_MS),
    );
    this.board.listen(() => (this.boardReady.value = true));
  }

  start(): void {
    this.tick();
    this.feed.start();
    void this.load();
  }

  stop(): void {
    this.feed.stop();
    this.poller.stop();
    if (this.ticker !== null) clearTimeout(this.ticker);
    if (this.reload !== null) clearTimeout(this.reload);
  }

  /** The page is back: what is true now? Over HTTP at once, whatever the socket believes. */
  async truth(): Promise<void> {
    this.tick();
    this.feed.probe();
    if (this.opening.value && this.units.value) await this.readAll();
    else await this.load();
  }

  /** The first reading; on failure again, with growing pauses, and the page says why meanwhile. */
  async load(): Promise<void> {
    try {
      await Promise.all([this.readOpening(), this.readBoard()]);
      this.loading.value = "ready";
      this.tries = 0;
      this.reached(true);
    } catch (error) {
      if (error instanceof Problem && error.status === 404) {
        // Perhaps withdrawn for a moment: the feed and the poller go on looking.
        this.loading.value = "missing";
        return;
      }
      this.reached(error instanceof Problem);
      this.loading.value = error instanceof Problem ? "failed" : "offline";
      // Returns of the page load too: one retry waits at a time, however often it came back.
      if (this.reload !== null) clearTimeout(this.reload);
      this.reload = setTimeout(() => void this.load(), Math.min(RELOAD_MS_MAX, 1000 * Math.pow(2, this.tries++)));
    }
  }

  private async readOpening(): Promise<void> {
    const sent = this.clock.stamp();
    const opening = await this.door.read();
    this.clock.sample(sent, opening.now_ms);
    this.opening.value = this.newest(opening);
    this.tick();
    if (opening.catalogue_hash !== this.catalogueHash) {
      const catalogue = await this.door.catalogue(opening.catalogue_hash);
      this.units.value = new Units(catalogue.units);
      this.catalogueHash = opening.catalogue_hash;
    }
  }

  /** An answer may have left the server before a `control` frame that overtook it: phase and window are then the frame's. */
  private newest(read: Opening): Opening {
    const known = this.opening.value;
    if (!known || known.now_ms <= read.now_ms) return read;
    const { phase, paused, start_ms, end_ms, now_ms } = known;
    return { ...read, phase, paused, start_ms, end_ms, now_ms };
  }

  private async readBoard(): Promise<void> {
    const { seq, status } = await this.door.board();
    this.board.snapshot(seq, status);
  }

  private readAll(): Promise<void> {
    return this.readAgain(async () => void (await Promise.all([this.readOpening(), this.readBoard()])));
  }

  private async readAgain(read: () => Promise<void>): Promise<void> {
    try {
      await read();
      this.loading.value = "ready";
      this.reached(true);
    } catch (error) {
      if (error instanceof Problem && error.status === 404) this.loading.value = "missing";
      this.reached(error instanceof Problem);
    }
  }

  private async round(): Promise<void> {
    await Promise.all([this.readAll(), this.handlers.round()]);
  }

  private frame(frame: ServerFrame): void {
    if (frame.t === "hello" || frame.t === "control") {
      const opening = this.opening.value;
      const { phase, paused, start_ms, end_ms, now_ms } = frame;
      if (opening) this.opening.value = { ...opening, phase, paused, start_ms, end_ms, now_ms };
      this.tick();
    } else if (frame.t === "time") {
      this.grade();
    }
    this.handlers.frame(frame);
  }

  private linkChanged(state: LinkState): void {
    if (state === "open") {
      this.poller.stop();
      this.polling.value = false;
      // The socket brings the board and the clock; an opening that was published anew has another catalogue too.
      if (this.wasDown) void this.readAgain(() => this.readOpening());
      this.wasDown = false;
    } else {
      this.wasDown = this.wasDown || this.opening.value !== null || this.loading.value === "missing";
      this.handlers.socketLost();
      if (state === "late") {
        this.polling.value = true;
        this.poller.start();
      }
    }
    this.grade();
  }

  private reached(works: boolean): void {
    this.httpWorks = works;
    this.grade();
  }

  private grade(): void {
    const { open, roundTripMs } = this.feed;
    const online = navigator.onLine !== false;
    // Between two sockets nothing is known to be wrong yet: the last grade stands.
    if (this.feed.state === "connecting" && online && this.httpWorks) return;
    this.link.value = quality({ socketOpen: open, roundTripMs, online, httpWorks: this.httpWorks });
  }

  /** Moves `nowMs` on at each second of the server, and exactly at start and end. */
  private tick(): void {
    if (this.ticker !== null) clearTimeout(this.ticker);
    const now = this.clock.now();
    this.nowMs.value = now;
    this.ticker = setTimeout(() => this.tick(), nextLookMs(this.opening.value, now));
  }
}
