/**
 * Keeps what the screen shows true, for hours and without a hand: the socket turns the board, plain HTTP brings the
 * rest, and whichever of them fails is tried again while the other goes on. Knows no page; a test drives it with fakes.
 *
 *   socket open ──► board by frames            /screen every 2 s, sooner when cells turned
 *   socket lost ──► board by HTTP, every 2 s   the feed reconnects by itself, with a growing pause
 *   nothing     ──► "offline" after two failures; the last truth stays on the wall meanwhile
 *   404         ──► "missing" until the opening answers again, whatever the line does meanwhile
 */
import type { BoardSnapshot, Catalogue, Opening, Screen, ServerFrame } from "@shared/api/buyer";
import type { Board } from "@shared/board";
import type { ServerClock } from "@shared/clock";
import { Problem } from "@shared/http";

export interface Door {
  opening(): Promise<Opening>;
  catalogue(hash: string): Promise<Catalogue>;
  screen(): Promise<Screen>;
  board(): Promise<BoardSnapshot>;
}

export type Link = "connecting" | "open" | "offline" | "missing";

export interface TruthHandlers {
  opening(value: Opening): void;
  catalogue(value: Catalogue): void;
  screen(value: Screen): void;
  link(value: Link): void;
}

export const POLL_MS = 2_000;
/** The record changes when staff act; a control frame or another hash asks for it at once. */
const OPENING_MS = 15_000;
const SOON_MS = 400;
const RETRY_MS_MAX = 8_000;
const FAILURES_TO_OFFLINE = 2;

export class Truth {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private due_ms = 0;
  private busy = false;
  private failures = 0;
  /** The server said that there is no such opening; only its own answer takes that back. */
  private missing = false;
  private stopped = false;
  private catalogueHash = "";
  private openingAsked_ms = -Infinity;
  private socketOpen = false;

  constructor(
    private readonly door: Door,
    private readonly board: Board,
    private readonly clock: ServerClock,
    private readonly on: TruthHandlers,
  ) {}

  start(): void {
    this.stopped = false;
    this.on.link("connecting");
    void this.round();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** The feed tells whether the board comes by itself. */
  socket(open: boolean): void {
    this.socketOpen = open;
    // Lost: ask at once for what the socket would have said.
    if (!open) this.soon();
  }

  frame(frame: ServerFrame): void {
    if (frame.t === "control" || frame.t === "hello") this.openingAsked_ms = -Infinity;
    if (frame.t === "control" || frame.t === "board") this.soon();
  }

  /** What turned should stand among the latest deals within a moment, but a burst asks once. */
  private soon(): void {
    this.schedule(SOON_MS);
  }

  private schedule(wait_ms: number): void {
    if (this.stopped || this.busy) return;
    const due_ms = this.clock.stamp() + wait_ms;
    if (this.timer !== undefined && this.due_ms <= due_ms) return;
    clearTimeout(this.timer);
    this.due_ms = due_ms;
    this.timer = setTimeout(() => void this.round(), wait_ms);
  }

  private async round(): Promise<void> {
    this.timer = undefined;
    this.busy = true;
    try {
      await this.ask();
      this.failures = 0;
      this.missing = false;
      this.on.link("open");
    } catch (error) {
      this.failures += 1;
      this.openingAsked_ms = -Infinity;
      if (error instanceof Problem && error.status === 404) this.missing = true;
      if (this.missing) this.on.link("missing");
      else if (this.failures >= FAILURES_TO_OFFLINE) this.on.link("offline");
    }
    this.busy = false;
    const wait_ms = this.failures === 0 ? POLL_MS : Math.min(500 * 2 ** this.failures, RETRY_MS_MAX);
    this.schedule(wait_ms);
  }

  private async ask(): Promise<void> {
    const stamp = this.clock.stamp();
    if (stamp - this.openingAsked_ms >= OPENING_MS || this.catalogueHash === "") await this.record(stamp);
    const sent = this.clock.stamp();
    const screen = await this.door.screen();
    this.clock.sample(sent, screen.now_ms);
    this.on.screen(screen);
    // Without the socket, or when the socket's board stands still behind what the server says.
    if (!this.socketOpen || screen.seq > this.board.seq) {
      const { seq, status } = await this.door.board();
      this.board.snapshot(seq, status);
    }
  }

  private async record(stamp: number): Promise<void> {
    const opening = await this.door.opening();
    this.clock.sample(stamp, opening.now_ms);
    // The catalogue first: a board drawn with another opening's homes would be a lie.
    if (opening.catalogue_hash !== this.catalogueHash) {
      this.on.catalogue(await this.door.catalogue(opening.catalogue_hash));
      this.catalogueHash = opening.catalogue_hash;
    }
    this.on.opening(opening);
    this.openingAsked_ms = stamp;
  }
}
