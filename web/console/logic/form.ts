/**
 * The form of an opening as text fields, and back to a draft with a fault for each field that is not right.
 * The server checks all of it again; this only spares a round trip and points at the field.
 */
import { KINDS, type Kind } from "@shared/api/buyer";
import type { OpeningDraft } from "@shared/api/staff";
import { parseYuan, yuanInput } from "./yuan";
import { fromInput, toInput } from "./zoned";

export interface OpeningForm {
  project: string;
  name: string;
  start: string;
  end: string;
  hold_minutes: string;
  favourites_max: string;
  deposit: Record<Kind, string>;
  quota: Record<Kind, string>;
  /** Empty: no limit for a household. */
  household: Record<Kind, string>;
}

/** Field → the key of the sentence that says what is wrong. */
export type Faults = Record<string, string>;

const QUOTA_MAX = 99;

function perKind<T>(make: (kind: Kind) => T): Record<Kind, T> {
  return Object.fromEntries(KINDS.map((kind) => [kind, make(kind)])) as Record<Kind, T>;
}

/** Tomorrow at ten for two hours: what an office would type anyway. */
export function emptyForm(project: string, now_ms: number, timeZone: string): OpeningForm {
  const day = toInput(now_ms + 86_400_000, timeZone).slice(0, 10);
  return {
    project,
    name: "",
    start: `${day}T10:00:00`,
    end: `${day}T12:00:00`,
    hold_minutes: "15",
    favourites_max: "10",
    deposit: { home: "50000", parking: "10000", shop: "50000", storage: "5000" },
    quota: perKind(() => "1"),
    household: perKind(() => ""),
  };
}

export function toForm(draft: OpeningDraft, timeZone: string): OpeningForm {
  return {
    project: draft.project,
    name: draft.name,
    start: toInput(draft.start_ms, timeZone),
    end: toInput(draft.end_ms, timeZone),
    hold_minutes: String(draft.hold_s / 60),
    favourites_max: String(draft.favourites_max),
    deposit: perKind((kind) => yuanInput(draft.deposit_fen[kind])),
    quota: perKind((kind) => String(draft.quota[kind])),
    household: perKind((kind) => {
      const limit = draft.household_quota?.[kind];
      return limit === null || limit === undefined ? "" : String(limit);
    }),
  };
}

function whole(text: string, min: number, max: number): number | undefined {
  if (!/^\d{1,4}$/.test(text.trim())) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

export function toDraft(form: OpeningForm, timeZone: string): { draft: OpeningDraft; faults: Faults } {
  const faults: Faults = {};
  const need = <T>(field: string, fault: string, value: T | undefined, fallback: T): T => {
    if (value === undefined) faults[field] = fault;
    return value ?? fallback;
  };
  const name = form.name.trim();
  need("project", "fault.project", form.project || undefined, "");
  need("name", "fault.name", name === "" || [...name].length > 60 ? undefined : name, "");
  const start_ms = need("start", "fault.time", fromInput(form.start, timeZone), 0);
  const end_ms = need("end", "fault.time", fromInput(form.end, timeZone), 0);
  if (!faults.start && !faults.end && end_ms <= start_ms) faults.end = "fault.endBeforeStart";
  const minutes = /^\d{1,4}(\.\d)?$/.test(form.hold_minutes.trim()) ? Number(form.hold_minutes) : 0;
  const hold_s = need("hold", "fault.hold", minutes >= 0.5 && minutes <= 1440 ? minutes * 60 : undefined, 0);
  const favourites_max = need("favourites", "fault.favourites", whole(form.favourites_max, 1, 100), 0);
  const deposit_fen = perKind((k) => need(`deposit.${k}`, "fault.amount", parseYuan(form.deposit[k]), 0));
  const quota = perKind((k) => need(`quota.${k}`, "fault.quota", whole(form.quota[k], 0, QUOTA_MAX), 0));
  const household_quota = perKind((k) =>
    form.household[k].trim() === ""
      ? null
      : need(`household.${k}`, "fault.quota", whole(form.household[k], 0, QUOTA_MAX), 0),
  );
  const draft = {
    project: form.project,
    name,
    start_ms,
    end_ms,
    hold_s: Math.round(hold_s),
    favourites_max,
    deposit_fen,
    quota,
    household_quota,
  };
  return { draft, faults };
}
