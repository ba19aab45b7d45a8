// The catalogue as a house: buildings, floors with the top one on top, and stacks that stand above each other.
// Knows no status and no words beyond what the price list itself says.
import type { Kind, Unit } from "./api/buyer";
import { KINDS } from "./api/buyer";

export interface Floor {
  floor: string;
  /** One place a stack; null where this floor has no unit in the stack. */
  cells: (Unit | null)[];
}

export interface Stack {
  section: string;
  /** The part of the room number that repeats on each floor: "01" of "1201". */
  position: string;
}

export interface Building {
  /** Unique among the tabs. */
  id: string;
  kind: Kind;
  name: string;
  stacks: Stack[];
  floors: Floor[];
  units: Unit[];
}

const text = (value: string | null | undefined): string => (value === null || value === undefined ? "" : value);

/** "3A" stands between 3 and 4 (it is a 4 by another name), "B1" and "地下1层" below the ground. */
export function floorRank(floor: string): number {
  const digits = /\d+/.exec(floor);
  const number = digits ? Number(digits[0]) : 0;
  if (/^\s*(B|-|地下|负)/i.test(floor)) return -number;
  const letter = /\d+\s*([A-Za-z])/.exec(floor);
  return number + (letter ? (letter[1] as string).toUpperCase().charCodeAt(0) / 100 - 0.6 : 0);
}

/** The position of a room on its floor: its number without the floor's, else the whole. */
export function stackPosition(floor: string, room: string): string {
  if (floor !== "" && room.length > floor.length && room.indexOf(floor) === 0) return room.slice(floor.length);
  const tail = /(\d{2})\D*$/.exec(room);
  return tail ? (tail[1] as string) : room;
}

/** "1#", "6号楼" → 1, 6; what has no number comes last, by name. */
function naturalOrder(a: string, b: string): number {
  const [x, y] = [/\d+/.exec(a), /\d+/.exec(b)];
  if (x && y && Number(x[0]) !== Number(y[0])) return Number(x[0]) - Number(y[0]);
  if (!x !== !y) return x ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What a buyer calls a unit: "1#-1203", with its section where a building has several. */
export function unitLabel(unit: Unit, withSection = true): string {
  const parts: string[] = [];
  const building = text(unit.building);
  // Parking and shops carry their own number; "B1-001" already says where it is.
  if (unit.kind === "home" && building) parts.push(building);
  if (unit.kind === "home" && withSection && text(unit.section)) parts.push(text(unit.section));
  parts.push(unit.room);
  return parts.join("-");
}

export class Units {
  readonly list: readonly Unit[];
  readonly buildings: Building[];
  private byOrdinal: (Unit | undefined)[] = [];
  private sectioned: Record<string, boolean> = {};

  constructor(list: readonly Unit[]) {
    this.list = list;
    for (const unit of list) this.byOrdinal[unit.unit] = unit;
    this.buildings = houses(list);
    for (const house of this.buildings) {
      this.sectioned[house.name] = house.stacks.some((s) => s.section !== (house.stacks[0] as Stack).section);
    }
  }

  get(ordinal: number): Unit | undefined {
    return this.byOrdinal[ordinal];
  }

  /** The shortest name that is still unmistakable; "#17" for a unit that the catalogue does not have. */
  label(ordinal: number): string {
    const unit = this.get(ordinal);
    return unit ? unitLabel(unit, this.sectioned[text(unit.building)] === true) : `#${ordinal}`;
  }

  buildingOf(ordinal: number): Building | undefined {
    const unit = this.get(ordinal);
    return unit && this.buildings.filter((b) => b.units.indexOf(unit) >= 0)[0];
  }
}

function houses(list: readonly Unit[]): Building[] {
  const groups: Record<string, Unit[]> = {};
  for (const unit of list) {
    const name = unit.kind === "home" ? text(unit.building) : text(unit.building) || text(unit.section) || "";
    const id = `${unit.kind}:${name}`;
    (groups[id] = groups[id] || []).push(unit);
  }
  const buildings = Object.keys(groups).map((id) => house(id, groups[id] as Unit[]));
  return buildings.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || naturalOrder(a.name, b.name));
}

/** Rooms without a floor of their own (parking, shops) are laid in rows of this many. */
const LOOSE_ROW = 4;

function house(id: string, units: Unit[]): Building {
  const first = units[0] as Unit;
  const name = id.slice(first.kind.length + 1);
  const loose = first.kind !== "home";
  const grid = loose ? looseGrid(units) : stackedGrid(units);
  return { id, kind: first.kind, name, units, ...grid };
}

type Grid = Pick<Building, "stacks" | "floors">;

function stackedGrid(units: Unit[]): Grid {
  const stacks: Stack[] = [];
  const column: Record<string, number> = {};
  const keyOf = (unit: Unit) => text(unit.section) + "\u0000" + stackPosition(text(unit.floor), unit.room);
  for (const unit of units) {
    if (column[keyOf(unit)] === undefined) {
      column[keyOf(unit)] = 0;
      stacks.push({ section: text(unit.section), position: stackPosition(text(unit.floor), unit.room) });
    }
  }
  stacks.sort((a, b) => naturalOrder(a.section, b.section) || naturalOrder(a.position, b.position));
  stacks.forEach((stack, i) => (column[stack.section + "\u0000" + stack.position] = i));
  const rows: Record<string, (Unit | null)[]> = {};
  const extra: Floor[] = [];
  for (const unit of units) {
    const floor = text(unit.floor);
    const row = (rows[floor] = rows[floor] || stacks.map(() => null));
    const at = column[keyOf(unit)] as number;
    // Two rooms that fall into one place (odd numbering) must both stay visible.
    if (row[at]) extra.push({ floor, cells: stacks.map((_, i) => (i === at ? unit : null)) });
    else row[at] = unit;
  }
  const floors = Object.keys(rows).map((floor) => ({ floor, cells: rows[floor] as (Unit | null)[] }));
  return { stacks, floors: floors.concat(extra).sort((a, b) => floorRank(b.floor) - floorRank(a.floor)) };
}

function looseGrid(units: Unit[]): Grid {
  const byFloor: Record<string, Unit[]> = {};
  for (const unit of units) {
    const floor = text(unit.floor) || text(unit.section);
    (byFloor[floor] = byFloor[floor] || []).push(unit);
  }
  const stacks: Stack[] = [];
  for (let i = 0; i < LOOSE_ROW; i++) stacks.push({ section: "", position: "" });
  const floors: Floor[] = [];
  for (const floor of Object.keys(byFloor).sort((a, b) => floorRank(b) - floorRank(a))) {
    const rooms = byFloor[floor] as Unit[];
    for (let i = 0; i < rooms.length; i += LOOSE_ROW) {
      const cells: (Unit | null)[] = rooms.slice(i, i + LOOSE_ROW);
      while (cells.length < LOOSE_ROW) cells.push(null);
      floors.push({ floor: i === 0 ? floor : "", cells });
    }
  }
  return { stacks, floors };
}
