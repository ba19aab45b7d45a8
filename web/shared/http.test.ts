import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NoAnswer, Problem, request } from "./http";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function server(answer: () => Promise<Response>) {
  const calls: [string, RequestInit][] = [];
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    calls.push([path, init]);
    return answer();
  });
  return calls;
}
const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  Promise.resolve(new Response(JSON.stringify(body), { status, headers }));

async function failure(run: Promise<unknown>): Promise<unknown> {
  return run.then(
    () => "no failure",
    (error) => error,
  );
}

describe("HTTP: refused, or unanswered", () => {
  it("sends and reads JSON", async () => {
    const calls = server(() => json(200, { units: [1] }));
    expect(await request("/x", { method: "PUT", body: { units: [1] } })).toEqual({ units: [1] });
    expect(calls[0]![1]).toMatchObject({ method: "PUT", body: '{"units":[1]}', credentials: "same-origin" });
  });

  it("an empty answer is undefined", async () => {
    server(() => Promise.resolve(new Response(null, { status: 204 })));
    expect(await request("/x")).toBeUndefined();
  });

  it("a problem carries its code, params and request id", async () => {
    server(() => json(429, { code: "SLOW_DOWN", params: { retry_after_ms: 1500 }, request_id: "r1" }));
    const error = (await failure(request("/x"))) as Problem;
    expect(error).toBeInstanceOf(Problem);
    expect([error.status, error.code, error.retryAfterMs, error.requestId]).toEqual([429, "SLOW_DOWN", 1500, "r1"]);
  });

  it("a proxy's page is a problem too, with the header's wait", async () => {
    server(() => Promise.resolve(new Response("<html>", { status: 503, headers: { "retry-after": "2" } })));
    const error = (await failure(request("/x"))) as Problem;
    expect([error.code, error.retryAfterMs]).toEqual(["HTTP_503", 2000]);
  });

  it("a broken line is no answer", async () => {
    server(() => Promise.reject(new TypeError("failed")));
    expect(await failure(request("/x"))).toMatchObject({ name: "NoAnswer", why: "network" });
  });

  it("half a body is no answer, not a yes", async () => {
    server(() => Promise.resolve(new Response('{"answer":"y', { status: 200 })));
    expect(await failure(request("/x"))).toBeInstanceOf(NoAnswer);
  });

  it("too slow is no answer", async () => {
    vi.stubGlobal("fetch", (_: string, init: RequestInit) =>
      new Promise((_, reject) => init.signal!.addEventListener("abort", () => reject(new Error("aborted")))),
    );
    const run = failure(request("/x", { timeoutMs: 700 }));
    await vi.advanceTimersByTimeAsync(700);
    expect(await run).toMatchObject({ why: "timeout" });
  });
});
