// One way to speak HTTP with either door: JSON in and out, a deadline on every request, and two kinds of failure that
// callers must tell apart: the server refused (Problem), or nobody knows whether it acted (NoAnswer).
import type { Params } from "./api/buyer";

/** The server answered and said no: `application/problem+json`. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly params: Params;
  readonly requestId: string;

  constructor(status: number, code: string, params: Params, requestId: string) {
    super(code);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.params = params;
    this.requestId = requestId;
  }

  /** How long to wait before the next try, when the server named a time. */
  get retryAfterMs(): number | null {
    const wait = this.params["retry_after_ms"];
    return typeof wait === "number" && isFinite(wait) && wait >= 0 ? wait : null;
  }
}

/** No answer came: offline, cut, or too slow. What was asked may have happened all the same. */
export class NoAnswer extends Error {
  readonly why: "network" | "timeout";

  constructor(why: "network" | "timeout") {
    super(why);
    this.name = "NoAnswer";
    this.why = why;
  }
}

export interface RequestOptions {
  method?: string;
  body?: unknown;
  timeoutMs?: number;
  /** Files are sent as they are; everything else as JSON. */
  form?: FormData;
}

const TIMEOUT_MS = 8000;

async function problemOf(response: Response): Promise<Problem> {
  let code = `HTTP_${response.status}`;
  let params: Params = {};
  let requestId = response.headers.get("x-request-id") || "";
  try {
    const body = (await response.json()) as { code?: unknown; params?: unknown; request_id?: unknown };
    if (typeof body.code === "string") code = body.code;
    if (body.params !== null && typeof body.params === "object") params = body.params as Params;
    if (typeof body.request_id === "string") requestId = body.request_id;
  } catch {
    // A proxy's page instead of a problem: the status line is all there is.
  }
  const seconds = Number(response.headers.get("retry-after"));
  if (params["retry_after_ms"] === undefined && seconds > 0) params = { ...params, retry_after_ms: seconds * 1000 };
  return new Problem(response.status, code, params, requestId);
}

/** Asks and reads JSON; an empty answer (202, 204) is `undefined`. */
export async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const abort = new AbortController();
  const timeoutMs = options.timeoutMs === undefined ? TIMEOUT_MS : options.timeoutMs;
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    abort.abort();
  }, timeoutMs);
  try {
    const headers: Record<string, string> = { accept: "application/json" };
    let body: BodyInit | undefined;
    if (options.form) {
      body = options.form;
    } else if (options.body !== undefined) {
      headers["content-type"] = "application/json";
      body = JSON.stringify(options.body);
    }
    const response = await fetch(path, {
      method: options.method || "GET",
      headers,
      body,
      credentials: "same-origin",
      signal: abort.signal,
    });
    if (!response.ok) throw await problemOf(response);
    const text = await response.text();
    return (text === "" ? undefined : JSON.parse(text)) as T;
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new NoAnswer(timedOut ? "timeout" : "network");
  } finally {
    clearTimeout(timer);
  }
}
