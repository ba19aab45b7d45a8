// What time it is for the sale. The server's word, moved on by the server's clock: a page whose link is down at the
// start must not go on saying "too early".
import type { Opening, Phase } from "@shared/api/buyer";

export function phaseAt(opening: Pick<Opening, "phase" | "start_ms" | "end_ms">, nowMs: number): Phase {
  if (opening.phase === "closed" || nowMs >= opening.end_ms) return "closed";
  // Said to be live by the server: stays live even where this clock runs a moment behind.
  if (opening.phase === "live" || nowMs >= opening.start_ms) return "live";
  return opening.phase;
}

/** When the page must look at the clock again: at the next whole second, or exactly at the start or end. */
export function nextLookMs(opening: Pick<Opening, "start_ms" | "end_ms"> | null, nowMs: number): number {
  let wait = 1000 - (((nowMs % 1000) + 1000) % 1000);
  if (opening) {
    for (const at of [opening.start_ms, opening.end_ms]) if (at > nowMs) wait = Math.min(wait, at - nowMs);
  }
  return Math.max(10, Math.ceil(wait));
}
