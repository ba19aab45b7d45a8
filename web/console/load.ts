/**
 * One list or record on a page: loading, there, failed, and there-but-stale. Every page uses it, so that every list
 * has the same four faces and none spins without a word.
 */
import { onScopeDispose, shallowRef, type ShallowRef } from "vue";

export interface Loaded<T> {
  data: ShallowRef<T | undefined>;
  error: ShallowRef<unknown>;
  loading: ShallowRef<boolean>;
  reload: () => Promise<void>;
}

export interface LoadOptions {
  /** Asks again this often while the page is visible. */
  every_ms?: number;
  /** Does not ask by itself at first. */
  lazy?: boolean;
}

export function useLoad<T>(fetcher: () => Promise<T>, options: LoadOptions = {}): Loaded<T> {
  const data = shallowRef<T | undefined>();
  const error = shallowRef<unknown>();
  const loading = shallowRef(false);
  let round = 0;
  let gone = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function reload(): Promise<void> {
    round += 1;
    const mine = round;
    loading.value = true;
    clearTimeout(timer);
    try {
      const value = await fetcher();
      // An answer that was overtaken by a later question would show yesterday's search.
      if (mine !== round) return;
      data.value = value;
      error.value = undefined;
    } catch (problem) {
      if (mine !== round) return;
      error.value = problem;
    }
    loading.value = false;
    if (options.every_ms !== undefined && !gone) timer = setTimeout(poll, options.every_ms);
  }

  function poll(): void {
    if (document.hidden) timer = setTimeout(poll, options.every_ms);
    else void reload();
  }

  const onVisible = () => {
    if (!document.hidden && options.every_ms !== undefined && !loading.value) void reload();
  };
  document.addEventListener("visibilitychange", onVisible);
  onScopeDispose(() => {
    gone = true;
    round += 1;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onVisible);
  });
  if (!options.lazy) void reload();
  return { data, error, loading, reload };
}
