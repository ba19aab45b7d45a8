/** What is wrong with gateways, Redis and the database, in words: the server's codes and figures become sentences. */
import type { Trouble } from "@shared/api/staff";
import type { WordParams } from "@shared/i18n";
import { maybe, t } from "./i18n";
import { figure } from "./logic/ops";
import { span } from "./logic/status";

export function spanText(ms: number): string {
  const { key, params } = span(ms);
  return t(key, params);
}

/** A distance to the database or another clock; with its sign when it can be on either side. */
export function away(us: number, signed = false): string {
  const sign = signed && us > 0 ? "+" : "";
  if (Math.abs(us) >= 10_000_000) return sign + t("ops.seconds", { n: Math.round(us / 1_000_000) });
  return sign + t("ops.ms", { n: figure(us / 1000) });
}

/** Gate 2's codes in words; what a connection said, as it said it. */
export function because(reason: string | null): string {
  return reason === null ? "" : t("because", { reason: maybe(`gate2.${reason}`) ?? reason });
}

/** What becomes of picks without a Redis. */
function meanwhile(params: Trouble["params"]): string {
  const n = Number(params.openings ?? 0);
  if (n === 0) return "";
  return t(params.holds_picks ? "redisLost.hold" : "redisLost.continue", { n, most: Number(params.picks_per_s_max ?? 0) });
}

export function troubleText({ code, params }: Trouble): string {
  const number = (name: string) => (typeof params[name] === "number" ? (params[name] as number) : 0);
  const reason = typeof params.reason === "string" ? params.reason : null;
  const words: WordParams = {
    for: spanText(number("for_ms")),
    start: `${number("starts_in_ms") < 0 ? "−" : ""}${spanText(Math.abs(number("starts_in_ms")))}`,
    offset: away(number("offset_us"), true),
    trip: away(number("round_trip_us")),
    most: number("picks_per_s_max"),
    because: because(reason),
    at: Array.isArray(params.gateways) ? params.gateways.join(", ") : "",
    meanwhile: meanwhile(params),
    master: typeof params.master === "string" ? ` ${params.master}` : "",
  };
  for (const [name, value] of Object.entries(params)) {
    if (typeof value === "number" || typeof value === "string") words[name] ??= value;
  }
  return maybe(`trouble.${code}`, words) ?? code;
}
