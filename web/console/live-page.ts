/** What the live page watches: the feed, the board's counts, the summary, the events. One place starts and stops it. */
import { onScopeDispose, ref, shallowRef } from "vue";
import type { LiveEvent } from "@shared/api/staff";
import { Board, type StatusName } from "@shared/board";
import { board as fetchBoard, liveUrl, summary } from "./api";
import { useLoad } from "./load";
import { withEvent } from "./logic/events";
import { LiveFeed, type Link } from "./logic/live";

const SUMMARY_MS = 2_000;

export function useLive(opening: string, onControl: () => void) {
  const board = new Board();
  const link = ref<Link>("connecting");
  const events = shallowRef<LiveEvent[]>([]);
  const counts = shallowRef<Record<StatusName, number>>(board.count());
  /** Turns with every change of the board, for what is computed from single cells. */
  const turn = ref(0);
  const figures = useLoad(() => summary(opening), { every_ms: SUMMARY_MS });

  const deafen = board.listen(() => {
    counts.value = board.count();
    turn.value += 1;
  });
  const feed = new LiveFeed({
    url: liveUrl(opening),
    board,
    fetchBoard: () => fetchBoard(opening),
    onEvent: (event) => (events.value = withEvent(events.value, event)),
    onControl,
    onLink: (state) => (link.value = state),
  });
  feed.start();
  onScopeDispose(() => {
    feed.stop();
    deafen();
  });
  return { board, link, events, counts, turn, figures };
}
