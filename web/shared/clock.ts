// The server's clock, as seen from a phone whose own clock may be wrong by minutes.
// Each sample is one round trip; the one with the shortest round trip bounds the error best and wins, until it is old.
// Knows nothing of sockets or HTTP: whoever made a round trip reports it.

export interface LocalTime {
  /** Never steps, but may stand still while the phone sleeps. */
  monoMs(): number;
  /** May step, but goes on while the phone sleeps. */
  wallMs(): number;
}

export const deviceTime: LocalTime = {
  monoMs: () => performance.now(),
  wallMs: () => Date.now(),
};

interface Sample {
  offsetMs: number;
  roundTripMs: number;
  atMonoMs: number;
  atWallMs: number;
}

const SAMPLES_MAX = 8;
/** Quartz in a phone drifts up to about 50 ppm: after two minutes a fresh sample is worth more than a short trip. */
const SAMPLE_AGE_MAX_MS = 120_000;
/** Wall and monotonic clock apart by more than this: the phone slept, or somebody set its clock. */
const JUMP_MS = 400;

export class ServerClock {
  private samples: Sample[] = [];
  private readonly local: LocalTime;

  constructor(local: LocalTime = deviceTime) {
    this.local = local;
  }

  /** Reports that at server time `serverMs` an answer was made to what was sent at `sentMonoMs`. */
  sample(sentMonoMs: number, serverMs: number): void {
    const nowMono = this.local.monoMs();
    const roundTripMs = nowMono - sentMonoMs;
    if (!(roundTripMs >= 0) || !isFinite(serverMs)) return;
    this.dropStale();
    const offsetMs = serverMs - (sentMonoMs + roundTripMs / 2);
    // The server's clock never steps for us: a sample whose bounds exclude the best one means that ours stood still.
    const best = this.best();
    if (best && Math.abs(offsetMs - best.offsetMs) > (roundTripMs + best.roundTripMs) / 2 + JUMP_MS) this.samples = [];
    this.samples.push({ offsetMs, roundTripMs, atMonoMs: nowMono, atWallMs: this.local.wallMs() });
    if (this.samples.length > SAMPLES_MAX) this.samples.shift();
  }

  /** Stamp to hand back to `sample` as `sentMonoMs`. */
  stamp(): number {
    return this.local.monoMs();
  }

  /** Server time now. Before the first sample the phone's own clock is the only guess. */
  now(): number {
    const best = this.best();
    if (!best) return this.local.wallMs();
    // While the phone slept its monotonic clock may have stood still: the wall clock knows how long.
    return this.local.monoMs() + best.offsetMs + this.sleptMs(best);
  }

  private sleptMs(sample: Sample): number {
    const gap = this.local.wallMs() - sample.atWallMs - (this.local.monoMs() - sample.atMonoMs);
    // A wall clock set back tells nothing; only time that went by unseen is added.
    return gap > JUMP_MS ? gap : 0;
  }

  private best(): Sample | null {
    let best: Sample | null = null;
    for (const sample of this.samples) if (!best || sample.roundTripMs < best.roundTripMs) best = sample;
    return best;
  }

  private dropStale(): void {
    const nowMono = this.local.monoMs();
    const fresh = this.samples.filter((s) => nowMono - s.atMonoMs < SAMPLE_AGE_MAX_MS && this.sleptMs(s) === 0);
    this.samples = fresh;
  }
}
