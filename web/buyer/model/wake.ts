// Tells when the page comes back to life: unlocked screen, tab shown again, back from another app, network back, or a
// timer that finds that time went by without it (some WebViews freeze a page without any event).

const TICK_MS = 1000;
/** A timer later than this was not merely throttled. */
const GAP_MS = 3000;
/** One return fires several events; the truth needs to be asked for once. */
const SETTLE_MS = 150;

export interface World {
  document: Pick<Document, "addEventListener" | "removeEventListener" | "visibilityState">;
  window: Pick<Window, "addEventListener" | "removeEventListener">;
  nowMs: () => number;
}

export function onReturn(back: () => void, world: World = { document, window, nowMs: () => Date.now() }): () => void {
  let lastBackMs = -Infinity;
  let lastTickMs = world.nowMs();
  const fire = () => {
    const now = world.nowMs();
    if (now - lastBackMs < SETTLE_MS && now >= lastBackMs) return;
    lastBackMs = now;
    lastTickMs = now;
    back();
  };
  const shown = () => {
    if (world.document.visibilityState === "visible") fire();
  };
  // Also fired when a page is first loaded, which is no return: only a page kept from before is.
  const kept = (event: Event) => {
    if ((event as PageTransitionEvent).persisted) fire();
  };
  const ticker = setInterval(() => {
    const gap = world.nowMs() - lastTickMs;
    lastTickMs = world.nowMs();
    // A hidden page's timers are slowed on purpose; its return has an event of its own.
    if (gap > GAP_MS && world.document.visibilityState === "visible") fire();
  }, TICK_MS);
  world.document.addEventListener("visibilitychange", shown);
  world.document.addEventListener("resume", fire);
  world.window.addEventListener("pageshow", kept);
  world.window.addEventListener("online", fire);
  world.window.addEventListener("focus", shown);
  return () => {
    clearInterval(ticker);
    world.document.removeEventListener("visibilitychange", shown);
    world.document.removeEventListener("resume", fire);
    world.window.removeEventListener("pageshow", kept);
    world.window.removeEventListener("online", fire);
    world.window.removeEventListener("focus", shown);
  };
}
