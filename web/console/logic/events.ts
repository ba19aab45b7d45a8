/** The stream of events on the live page: newest first, each once, never more than a screenful or two. */
import type { LiveEvent } from "@shared/api/staff";

export const EVENTS_MAX = 120;

/** After a reconnect the server may repeat what it said: the sequence and the kind tell. */
export function withEvent(events: readonly LiveEvent[], event: LiveEvent): LiveEvent[] {
  if (events.some((known) => known.seq === event.seq && known.kind === event.kind && known.unit === event.unit)) {
    return [...events];
  }
  return [event, ...events].sort((a, b) => b.seq - a.seq).slice(0, EVENTS_MAX);
}
