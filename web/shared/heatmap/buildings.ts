/**
 * The catalogue's houses as blocks to draw. Homes keep their floors and stacks (see `units.ts`); parking, shops and
 * storage have no floors worth drawing from afar and become one wrapped block a kind. No pixels, no status, no words.
 */
import type { Kind } from "../api/buyer";
import { KINDS } from "../api/buyer";
import type { Building, Units } from "../units";

/** A row of a block: the floor as printed (or "" for a wrapped block) and a unit's ordinal or nothing, by column. */
export interface FloorRow {
  floor: string;
  units: (number | undefined)[];
}

export interface Block {
  /** Stable for one catalogue: what rotation and scrolling remember. */
  key: string;
  kind: Kind;
  /** The building as printed; "" when its kind is the only name it has. */
  building: string;
  columns: number;
  rows: FloorRow[];
  units: number[];
}

export function toBlocks(units: Units): Block[] {
  const towers = units.buildings.filter((building) => building.kind === "home").map(tower);
  const shelves = KINDS.filter((kind) => kind !== "home")
    .map((kind) => shelf(kind, units.buildings.filter((building) => building.kind === kind)))
    .filter((block) => block.units.length > 0);
  return [...towers, ...shelves];
}

function tower(building: Building): Block {
  return {
    key: building.id,
    kind: "home",
    building: building.name,
    columns: building.stacks.length,
    rows: building.floors.map((floor) => ({ floor: floor.floor, units: floor.cells.map((unit) => unit?.unit) })),
    units: building.units.map((unit) => unit.unit),
  };
}

const byRoom = new Intl.Collator("zh-CN", { numeric: true });
/** A shelf this short stays one or two rows of a few. */
const SHORT = 12;

function shelf(kind: Kind, buildings: Building[]): Block {
  const units = buildings
    .flatMap((building) => building.units)
    .sort((a, b) => byRoom.compare(a.room, b.room))
    .map((unit) => unit.unit);
  // A little wider than high, as car parks are drawn.
  const columns = units.length <= SHORT ? Math.min(6, units.length) : Math.ceil(Math.sqrt(units.length * 1.3));
  const rows: FloorRow[] = [];
  for (let from = 0; from < units.length; from += columns) {
    rows.push({ floor: "", units: units.slice(from, from + columns) });
  }
  return { key: kind, kind, building: "", columns, rows, units };
}
