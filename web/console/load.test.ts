import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { effectScope } from "vue";
import { useLoad } from "./load";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("loading a list", () => {
  it("drops an answer that a later question overtook", async () => {
    const waiting: ((value: string) => void)[] = [];
    const scope = effectScope();
    const list = scope.run(() => useLoad(() => new Promise<string>((done) => waiting.push(done))))!;
    void list.reload();
    waiting[1]?.("second");
    await vi.advanceTimersByTimeAsync(0);
    waiting[0]?.("first");
    await vi.advanceTimersByTimeAsync(0);
    expect([list.data.value, list.loading.value]).toEqual(["second", false]);
    scope.stop();
  });

  it("keeps what it has when a refresh fails, and mends by itself", async () => {
    let fails = false;
    const scope = effectScope();
    const list = scope.run(() =>
      useLoad(async () => {
        if (fails) throw new Error("down");
        return "rows";
      }, { every_ms: 1000 }),
    )!;
    await vi.advanceTimersByTimeAsync(0);
    fails = true;
    await vi.advanceTimersByTimeAsync(1000);
    expect([list.data.value, String(list.error.value)]).toEqual(["rows", "Error: down"]);
    fails = false;
    await vi.advanceTimersByTimeAsync(1000);
    expect([list.data.value, list.error.value]).toEqual(["rows", undefined]);
    scope.stop();
  });

  it("asks no more once its page is gone", async () => {
    const fetcher = vi.fn(async () => 1);
    const scope = effectScope();
    scope.run(() => useLoad(fetcher, { every_ms: 1000 }));
    await vi.advanceTimersByTimeAsync(0);
    scope.stop();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(fetcher).toHaveBeenCalledTimes(1);
  });
});
