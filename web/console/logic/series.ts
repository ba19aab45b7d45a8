/** The minute curve: the server sends minutes in which something happened; the chart needs all of them. */
import type { Summary } from "@shared/api/staff";

export interface Minute {
  at_ms: number;
  held: number;
  sold: number;
}

const MINUTE_MS = 60_000;

/** From the first minute with an entry (or `from_ms`) to now, at most `max` of the latest. */
export function fillMinutes(points: Summary["per_minute"], from_ms: number, now_ms: number, max = 60): Minute[] {
  const byMinute = new Map(points.map((point) => [Math.floor(point.at_ms / MINUTE_MS), point]));
  const last = Math.floor(now_ms / MINUTE_MS);
  const earliest = Math.min(Math.floor(from_ms / MINUTE_MS), ...byMinute.keys());
  const first = Math.max(Math.min(earliest, last), last - max + 1);
  const out: Minute[] = [];
  for (let minute = first; minute <= last; minute += 1) {
    const point = byMinute.get(minute);
    out.push({ at_ms: minute * MINUTE_MS, held: point?.held ?? 0, sold: point?.sold ?? 0 });
  }
  return out;
}
