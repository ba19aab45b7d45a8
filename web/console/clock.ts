/** One server clock for the whole console, and the current time as a page can watch it. */
import { onScopeDispose, ref, type Ref } from "vue";
import { ServerClock } from "@shared/clock";

export const clock = new ServerClock();

/** Server time, refreshed a few times a second: countdowns move on it and never on the desk's own clock. */
export function useNow(every_ms = 500): Ref<number> {
  const now = ref(clock.now());
  const timer = setInterval(() => (now.value = clock.now()), every_ms);
  onScopeDispose(() => clearInterval(timer));
  return now;
}
