/** What went wrong, in words: the server's code and parameters become a sentence that says what to do next. */
import type { Params } from "@shared/api/buyer";
import type { Finding } from "@shared/api/staff";
import { NoAnswer, Problem } from "@shared/http";
import type { WordParams } from "@shared/i18n";
import { maybe, t } from "./i18n";

/** Parameters as a sentence can hold them; a parameter that is itself a code is put into words. */
export function wordParams(params: Params | null | undefined): WordParams {
  const out: WordParams = {};
  for (const [name, value] of Object.entries(params ?? {})) {
    if (typeof value === "number") out[name] = value;
    else if (typeof value === "string" && name === "reason") out[name] = maybe(`why.${value}`, numbers(params)) ?? value;
    else if (typeof value === "string") out[name] = maybe(`${name}.${value}`) ?? stateWord(name, value) ?? value;
    else if (value !== null && value !== undefined) out[name] = JSON.stringify(value);
  }
  if (typeof out.retry_after_ms === "number") out.seconds = Math.ceil(out.retry_after_ms / 1000);
  return out;
}

/** The bounds that a reason names: `{min}`, `{max}`. */
function numbers(params: Params | null | undefined): WordParams {
  const found = Object.entries(params ?? {}).filter(([, value]) => typeof value === "number");
  return { min: 0, max: 0, ...(Object.fromEntries(found) as WordParams) };
}

/** `from` and `to` of a refused transition are states. */
function stateWord(name: string, value: string): string | null {
  return name === "from" || name === "to" ? maybe(`state.${value}`) : null;
}

export function problemText(error: unknown): string {
  if (error instanceof NoAnswer) return t(error.why === "timeout" ? "err.timeout" : "err.network");
  if (!(error instanceof Problem)) return t("err.page", { detail: String(error) });
  const params = { seconds: 1, field: "", right: "", detail: "", ...wordParams(error.params) };
  const text = maybe(`err.${variant(error)}`, params);
  if (text !== null) return text;
  if (error.status >= 500) return t("err.server", { code: error.code });
  return t("err.unknown", { code: error.code });
}

/** Some codes have a fuller sentence when the server says more, and a shorter one when it says less. */
function variant(error: Problem): string {
  const { reason } = error.params;
  const says = error.code === "FILE_UNREADABLE" || error.code === "CLAIM_CHANGED";
  if (says && typeof reason === "string" && maybe(`err.${reason}`)) return reason;
  if (error.code === "FIELD_INVALID" && typeof reason === "string") return "FIELD_REASON";
  if (error.code === "TRANSITION_REFUSED" && error.params.to === undefined) return "TRANSITION_REFUSED_NOW";
  return error.code;
}

/** A pre-flight finding as a sentence. */
export function findingText(finding: Finding): string {
  return maybe(`finding.${finding.code}`, wordParams(finding.params)) ?? t("finding.other", { code: finding.code });
}

/** What a refused publication lists. */
export function findingsOf(error: unknown): Finding[] {
  const found = error instanceof Problem ? error.params.findings : undefined;
  return Array.isArray(found) ? (found as Finding[]).filter((finding) => finding.severity === "stop") : [];
}

/** The number to read to whoever looks into the server's log. */
export function requestId(error: unknown): string {
  return error instanceof Problem ? error.requestId : "";
}
