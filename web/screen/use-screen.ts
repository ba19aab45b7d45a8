/** Everything the screen shows, as a page can watch it; started once, alive as long as the page is. */
import { onScopeDispose, ref, shallowRef } from "vue";
import type { Opening, Screen } from "@shared/api/buyer";
import { Board } from "@shared/board";
import { ServerClock } from "@shared/clock";
import { Feed } from "@shared/feed";
import { toBlocks, type Block } from "@shared/heatmap/buildings";
import { Units } from "@shared/units";
import { doorOf, socketUrl } from "./door";
import { Rotation } from "./logic/rotation";
import { Truth, type Link } from "./logic/truth";

const TICK_MS = 250;
/** More turns at once than this are a snapshot: no building is the busy one. */
const BURST_MAX = 60;

export function useScreen(opening_id: string) {
  const board = new Board();
  const clock = new ServerClock();
  const rotation = new Rotation();

  const link = ref<Link>("connecting");
  const opening = shallowRef<Opening>();
  const screen = shallowRef<Screen>();
  const units = shallowRef(new Units([]));
  const blocks = shallowRef<Block[]>([]);
  const active = ref<string>();
  const now = ref(clock.now());
  /** Turns with the board, for what is counted from it. */
  const turn = ref(0);
  let blockOf = new Map<number, string>();

  const truth = new Truth(doorOf(opening_id), board, clock, {
    opening: (value) => (opening.value = value),
    catalogue: (value) => {
      units.value = new Units(value.units);
      blocks.value = toBlocks(units.value);
      blockOf = new Map(blocks.value.flatMap((block) => block.units.map((unit) => [unit, block.key] as const)));
    },
    screen: (value) => (screen.value = value),
    link: (value) => (link.value = value),
  });
  const feed = new Feed({
    url: socketUrl(opening_id),
    board,
    clock,
    handlers: { frame: (frame) => truth.frame(frame), link: (state) => truth.socket(state === "open") },
  });

  const deafen = board.listen((changed) => {
    turn.value += 1;
    if (changed.length > BURST_MAX) return;
    for (const unit of changed) {
      const block = blockOf.get(unit);
      if (block !== undefined) rotation.turned(block, clock.now());
    }
  });
  const tick = setInterval(() => {
    now.value = clock.now();
    active.value = rotation.pick(blocks.value.map((block) => block.key), now.value);
  }, TICK_MS);
  const wake = () => {
    if (!document.hidden) feed.probe();
  };
  document.addEventListener("visibilitychange", wake);

  truth.start();
  feed.start();
  onScopeDispose(() => {
    truth.stop();
    feed.stop();
    deafen();
    clearInterval(tick);
    document.removeEventListener("visibilitychange", wake);
  });
  return { board, link, opening, screen, units, blocks, active, now, turn };
}

export type ScreenTruth = ReturnType<typeof useScreen>;
