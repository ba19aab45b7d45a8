// Which units the buyer wants to see. A filter never hides where a unit stands in the house; it only blanks the others.
import type { Unit } from "@shared/api/buyer";
import { floorRank } from "@shared/units";

export interface Filters {
  layouts: string[];
  areaMinCenti: number | null;
  areaMaxCenti: number | null;
  priceMinFen: number | null;
  priceMaxFen: number | null;
  floorMin: number | null;
  floorMax: number | null;
  freeOnly: boolean;
}

export const noFilters: Filters = {
  layouts: [],
  areaMinCenti: null,
  areaMaxCenti: null,
  priceMinFen: null,
  priceMaxFen: null,
  floorMin: null,
  floorMax: null,
  freeOnly: false,
};

function outside(value: number | null | undefined, min: number | null, max: number | null): boolean {
  if (min === null && max === null) return false;
  if (value === null || value === undefined) return true;
  return (min !== null && value < min) || (max !== null && value > max);
}

export function matches(unit: Unit, filters: Filters, isFree: boolean): boolean {
  if (filters.freeOnly && !isFree) return false;
  if (filters.layouts.length > 0 && filters.layouts.indexOf(unit.layout || "") < 0) return false;
  if (outside(unit.gross_area_centi, filters.areaMinCenti, filters.areaMaxCenti)) return false;
  if (outside(unit.total_fen, filters.priceMinFen, filters.priceMaxFen)) return false;
  if (filters.floorMin === null && filters.floorMax === null) return true;
  return !outside(unit.floor ? floorRank(unit.floor) : null, filters.floorMin, filters.floorMax);
}

/** How many of the filter's parts are set: the number on its button. */
export function activeCount(filters: Filters): number {
  const range = (a: number | null, b: number | null) => (a === null && b === null ? 0 : 1);
  return (
    (filters.layouts.length > 0 ? 1 : 0) +
    range(filters.areaMinCenti, filters.areaMaxCenti) +
    range(filters.priceMinFen, filters.priceMaxFen) +
    range(filters.floorMin, filters.floorMax) +
    (filters.freeOnly ? 1 : 0)
  );
}

/** The layouts on offer, most frequent first. */
export function layoutsOf(units: readonly Unit[]): string[] {
  const count: Record<string, number> = {};
  for (const unit of units) if (unit.layout) count[unit.layout] = (count[unit.layout] || 0) + 1;
  return Object.keys(count).sort((a, b) => (count[b] as number) - (count[a] as number) || (a < b ? -1 : 1));
}

/** A field of the sheet: "88.5" in the shown unit → hundredths; empty or not a number → no bound. */
export function bound(input: string, scale: number): number | null {
  const half = input.replace(/[\uff10-\uff19]/g, (d) => String.fromCharCode(d.charCodeAt(0) - 0xfee0)).trim();
  if (half === "") return null;
  const value = Number(half);
  return isFinite(value) && value >= 0 ? Math.round(value * scale) : null;
}
