/** What a payment will do to a hold, said before it is pressed and after it is answered. No words, no money moved. */
import type { Hold } from "@shared/api/staff";

export interface Effect {
  /** Still to be paid before the hold becomes a deal. */
  due_fen: number;
  completes: boolean;
  surplus_fen: number;
}

export function due(hold: Pick<Hold, "deposit_fen" | "paid_fen">): number {
  return Math.max(0, hold.deposit_fen - hold.paid_fen);
}

export function effectOf(hold: Pick<Hold, "deposit_fen" | "paid_fen">, amount_fen: number): Effect {
  const before = due(hold);
  return {
    due_fen: Math.max(0, before - amount_fen),
    completes: amount_fen >= before,
    surplus_fen: Math.max(0, amount_fen - before),
  };
}

/** How near the deadline is: the list shows it by word and colour. */
export type Urgency = "calm" | "soon" | "now" | "over";

export function urgency(deadline_ms: number, now_ms: number): Urgency {
  const left_ms = deadline_ms - now_ms;
  if (left_ms <= 0) return "over";
  return left_ms <= 60_000 ? "now" : left_ms <= 180_000 ? "soon" : "calm";
}

/**
 * What to show of one hold: the list may still bring what it was asked before a payment was answered. Money and
 * generations only grow, and a hold that ended does not run again by itself.
 */
export function newer(known: Hold, fresh: Hold): Hold {
  const older = fresh.generation < known.generation || fresh.seq < known.seq || fresh.paid_fen < known.paid_fen;
  return older ? known : fresh;
}

/** Only a running hold can be paid, extended or released. */
export function running(hold: Pick<Hold, "state">): boolean {
  return hold.state === "held" || hold.state === "lapsing";
}

/**
 * The cashier's list: running holds before the others, the soonest deadline first. A hold that was just paid stands on
 * it even after the filter dropped it: "nothing found" beside a receipt would read as a lost payment.
 */
export function deskRows(holds: readonly Hold[], paid?: Hold): Hold[] {
  const others = holds.filter((hold) => hold.claim !== paid?.claim);
  const all = paid ? [paid, ...others] : others;
  const first = all.filter((hold) => hold === paid && !running(hold));
  const soonest = all.filter(running).sort((a, b) => a.deadline_ms - b.deadline_ms);
  return [...first, ...soonest, ...all.filter((hold) => hold !== paid && !running(hold))];
}
