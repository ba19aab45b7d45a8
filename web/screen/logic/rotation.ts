/**
 * Which building stands large. It follows the eye of the hall: where most cells turned lately, or else the next one in
 * order, and never jumps away before people could read it. Time is an argument.
 */

export const DWELL_MS_MIN = 8_000;
export const DWELL_MS_MAX = 16_000;
/** Turns older than this no longer draw the eye. */
const RECENT_MS = 12_000;

export interface Turn {
  block: string;
  at_ms: number;
}

export class Rotation {
  private active: string | undefined;
  private since_ms = 0;
  private turns: Turn[] = [];

  /** Reports that a cell of a block turned. */
  turned(block: string, now_ms: number): void {
    this.turns.push({ block, at_ms: now_ms });
  }

  /** The block to show now. `blocks` is in the order of the estate; empty gives nothing. */
  pick(blocks: readonly string[], now_ms: number): string | undefined {
    this.turns = this.turns.filter((turn) => now_ms - turn.at_ms <= RECENT_MS);
    if (this.active === undefined || !blocks.includes(this.active)) return this.show(blocks[0], now_ms);
    const shown_ms = now_ms - this.since_ms;
    if (shown_ms < DWELL_MS_MIN || blocks.length < 2) return this.active;
    const busiest = this.busiest(blocks);
    if (busiest !== undefined && busiest !== this.active) return this.show(busiest, now_ms);
    if (shown_ms < DWELL_MS_MAX) return this.active;
    // A busy building does not keep the screen for ever: the others get their turn.
    return this.show(blocks[(blocks.indexOf(this.active) + 1) % blocks.length], now_ms);
  }

  private show(block: string | undefined, now_ms: number): string | undefined {
    this.active = block;
    this.since_ms = now_ms;
    return block;
  }

  private busiest(blocks: readonly string[]): string | undefined {
    const counts = new Map<string, number>();
    for (const { block } of this.turns) counts.set(block, (counts.get(block) ?? 0) + 1);
    let best: string | undefined;
    for (const block of blocks) {
      if ((counts.get(block) ?? 0) > (best === undefined ? 0 : (counts.get(best) ?? 0))) best = block;
    }
    return best;
  }
}
