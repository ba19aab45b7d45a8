/**
 * The staff's live feed: Server-Sent Events with the buyers' board frames. Keeps one `Board` true. A gap, or a line
 * that is down, is mended by asking for the whole board. Knows no page: timers and the source are handed in.
 */
import type { BoardSnapshot, ControlFrame } from "@shared/api/buyer";
import type { LiveEvent } from "@shared/api/staff";
import type { Board } from "@shared/board";

export type Link = "connecting" | "open" | "down";

export interface Source {
  readonly readyState: number;
  onopen: (() => void) | null;
  onmessage: ((event: { data: string }) => void) | null;
  onerror: (() => void) | null;
  close(): void;
}

export interface LiveOptions {
  url: string;
  board: Board;
  fetchBoard: () => Promise<BoardSnapshot>;
  onEvent: (event: LiveEvent) => void;
  onControl: (control: ControlFrame) => void;
  onLink: (link: Link) => void;
  open?: (url: string) => Source;
}

type Frame =
  | ({ t: "snapshot" } & BoardSnapshot)
  | { t: "board"; from: number; to: number; u: number[] }
  | ControlFrame
  | LiveEvent;

const CLOSED = 2;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000];
/** While the line is down the board is asked for over plain HTTP: a manager must not look at an old one. */
const POLL_MS = 2_000;

export class LiveFeed {
  private source: Source | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private poll: ReturnType<typeof setInterval> | undefined;
  private failures = 0;
  private mending = false;
  private stopped = true;

  constructor(private readonly options: LiveOptions) {}

  start(): void {
    this.stopped = false;
    this.options.onLink("connecting");
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    this.source?.close();
    this.source = undefined;
    clearTimeout(this.retry);
    clearInterval(this.poll);
    this.poll = undefined;
  }

  private connect(): void {
    const open = this.options.open ?? ((url: string) => new EventSource(url) as unknown as Source);
    const source = open(this.options.url);
    this.source = source;
    source.onopen = () => {
      this.failures = 0;
      clearInterval(this.poll);
      this.poll = undefined;
      this.options.onLink("open");
    };
    source.onmessage = (event) => this.take(event.data);
    source.onerror = () => this.lost(source);
  }

  /** The browser retries a cut line by itself, but gives up for good on an HTTP error: then we try again. */
  private lost(source: Source): void {
    if (this.stopped || source !== this.source) return;
    this.options.onLink("down");
    this.poll ??= setInterval(() => void this.mend(), POLL_MS);
    if (source.readyState !== CLOSED) return;
    source.close();
    const wait_ms = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.failures += 1;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.connect(), wait_ms);
  }

  private take(data: string): void {
    const frame = parse(data);
    if (!frame) return;
    const { board } = this.options;
    if (frame.t === "snapshot") board.snapshot(frame.seq, frame.status);
    else if (frame.t === "board") {
      if (board.change(frame.from, frame.to, frame.u) === "gap") void this.mend();
    } else if (frame.t === "control") this.options.onControl(frame);
    else if (frame.t === "event") this.options.onEvent(frame);
  }

  /** One request at a time: a burst of gaps needs one board. */
  async mend(): Promise<void> {
    if (this.mending || this.stopped) return;
    this.mending = true;
    try {
      const { seq, status } = await this.options.fetchBoard();
      this.options.board.snapshot(seq, status);
    } catch {
      // The line is down as well; the next round asks again.
    } finally {
      this.mending = false;
    }
  }
}

function parse(data: string): Frame | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return value !== null && typeof value === "object" && "t" in value ? (value as Frame) : undefined;
  } catch {
    return undefined;
  }
}
