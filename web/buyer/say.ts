// From codes and numbers to sentences: the only place where the buyer's page words a refusal, a date or a unit.
import type { Kind, Params, Unit } from "@shared/api/buyer";
import { area, chinaTime, countdown, price, splitDays } from "@shared/format";
import { lang, maybe, t, type Key } from "./words";

export function dateTime(ms: number): string {
  const { year, month, day, weekday, time } = chinaTime(ms);
  return t("date.full", { year, month, day, weekday: t(`date.${weekday}` as Key), time });
}

/** "2 天 02:10:00" far off, "00:42" near. */
export function timeLeft(ms: number): string {
  const { days, clock } = splitDays(ms);
  return days > 0 ? t("head.days", { days }) + " " + clock : countdown(ms);
}

/** What is left of a hold: rounded down, for nobody is promised a second more than there is. */
export function timeRemaining(ms: number): string {
  return timeLeft(Math.floor(ms / 1000) * 1000);
}

export function kindName(kind: string): string {
  const name = maybe(`kind.${kind}`);
  return name === null ? kind : name;
}

/** Why a pick got "no", in plain words, for the unit that was tapped. */
export function refusal(code: string, params: Params, unit: string, kind: Kind): string {
  if (code === "QUOTA_USED") {
    const said = typeof params["kind"] === "string" ? (params["kind"] as string) : kind;
    const words = maybe(`no.QUOTA_USED.${String(params["holder"])}`, { kind: kindName(said) });
    if (words !== null) return words;
  }
  const words = maybe(`no.${code}`, { unit });
  return words === null ? t("no.other", { code }) : words;
}

/** What went wrong while signing in. */
export function signFault(code: string, params: Params): string {
  const wait = params["retry_after_ms"];
  const left = params["attempts_left"];
  const words = maybe(`sign.${code}`, {
    attempts_left: typeof left === "number" ? left : 0,
    n: typeof wait === "number" ? Math.ceil(wait / 1000) : 60,
  });
  return words === null ? t("sign.other", { code }) : words;
}

/** How WeChat led back, or why it did not come to a sign-in. */
export function wechatEnd(code: string): string {
  const words = maybe(`wechat.${code}`);
  return words === null ? t("sign.other", { code }) : words;
}

export function areaText(centi: number | null | undefined): string {
  return typeof centi === "number" ? t("unit.area", { n: area(centi) }) : "";
}

/** One line under a unit's name: layout · area · price. */
export function unitLine(unit: Unit): string {
  return [unit.layout || kindName(unit.kind), areaText(unit.gross_area_centi), price(unit.total_fen, lang.value)]
    .filter((part) => part !== "")
    .join(" · ");
}
