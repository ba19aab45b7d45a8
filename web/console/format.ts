/** The console's own ways to show what the wire carries; numbers themselves are `@shared/format`. */
import type { Kind, Unit } from "@shared/api/buyer";
import { area, chinaTime, countdown, pad, splitDays, yuan } from "@shared/format";
import { t } from "./i18n";

export const money = (fen: number): string => t("unit.yuan", { n: yuan(fen) });
export const kindName = (kind: Kind): string => t(`kind.${kind}`);
export const squareMetres = (centi: number | null | undefined): string => (centi ? t("unit.area", { n: area(centi) }) : "");
export const count = (n: number): string => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, ",");

/** `11-22 10:00:05`: a log reads better without the year, and the form shows it. */
export function dateTime(ms: number): string {
  const at = chinaTime(ms);
  return `${pad(at.month)}-${pad(at.day)} ${at.seconds}`;
}

export function fullDate(ms: number): string {
  const at = chinaTime(ms);
  const weekday = t(`date.${at.weekday}` as "date.0");
  return t("date.full", { year: at.year, month: at.month, day: at.day, weekday, time: at.time });
}

export const clockTime = (ms: number): string => chinaTime(ms).seconds;
export const minute = (ms: number): string => chinaTime(ms).time;

/** What is left, with days apart once there are any. */
export function left(ms: number): string {
  const { days, clock } = splitDays(ms);
  return days > 0 ? t("time.days", { days, clock }) : countdown(ms);
}

/** Floor and room for a table; buildings have a column of their own. */
export function place(unit: Unit): string {
  return [unit.building, unit.section].filter(Boolean).join(" ");
}
