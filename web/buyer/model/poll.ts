// Asks again and again, never two rounds at once. The HTTP way of following an opening when no socket opens.

export class Poller {
  running = false;
  private readonly round: () => Promise<void>;
  private readonly pauseMs: () => number;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private turn = 0;

  constructor(round: () => Promise<void>, pauseMs: () => number) {
    this.round = round;
    this.pauseMs = pauseMs;
  }

  /** The first round is at once. */
  start(): void {
    if (this.running) return;
    this.running = true;
    this.go(++this.turn);
  }

  stop(): void {
    this.running = false;
    this.turn++;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  private go(turn: number): void {
    const again = () => {
      if (turn !== this.turn) return;
      // Spread by ± 20 %: after a failure ten thousand phones would otherwise ask in step.
      this.timer = setTimeout(() => this.go(turn), this.pauseMs() * (0.8 + Math.random() * 0.4));
    };
    this.round().then(again, again);
  }
}
