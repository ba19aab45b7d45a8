import { describe, expect, it } from "vitest";
import type { Kind, Unit } from "./api/buyer";
import { Units, floorRank, stackPosition, unitLabel } from "./units";

let next = 0;
function unit(kind: Kind, building: string | null, section: string | null, floor: string | null, room: string): Unit {
  return { unit: next++, kind, building, section, floor, room, total_fen: 100 };
}
function units(...list: Unit[]): Units {
  list.forEach((u, i) => (u.unit = i));
  return new Units(list);
}

describe("units as a house (OP-12)", () => {
  it.each([
    [["2", "10", "3A", "3", "4"], ["10", "4", "3A", "3", "2"]],
    [["1", "B1", "B2"], ["1", "B1", "B2"]],
    [["地下1层", "地下2层", "1层"], ["1层", "地下1层", "地下2层"]],
  ])("the top floor stands on top: %s", (given, expected) => {
    expect([...given].sort((a, b) => floorRank(b) - floorRank(a))).toEqual(expected);
  });

  it.each([
    ["12", "1201", "01"],
    ["3A", "3A04", "04"],
    ["", "0302", "02"],
    ["5", "A", "A"],
  ])("floor %s room %s stands in stack %s", (floor, room, position) => {
    expect(stackPosition(floor, room)).toBe(position);
  });

  it("rooms stand above each other, floors are rows, gaps stay gaps", () => {
    const [house] = units(
      unit("home", "1#", "1单元", "2", "201"),
      unit("home", "1#", "1单元", "2", "202"),
      unit("home", "1#", "1单元", "3A", "3A02"),
      unit("home", "1#", "2单元", "3A", "3A01"),
    ).buildings;
    expect(house!.stacks).toEqual([
      { section: "1单元", position: "01" },
      { section: "1单元", position: "02" },
      { section: "2单元", position: "01" },
    ]);
    expect(house!.floors.map((f) => [f.floor, ...f.cells.map((c) => c && c.room)])).toEqual([
      ["3A", null, "3A02", "3A01"],
      ["2", "201", "202", null],
    ]);
  });

  it("buildings stand in order, homes before parking before shops", () => {
    const list = units(
      unit("shop", null, null, null, "S01"),
      unit("parking", null, "地下1层", null, "B1-001"),
      unit("home", "10#", "1单元", "2", "201"),
      unit("home", "2#", "1单元", "2", "201"),
    );
    expect(list.buildings.map((b) => b.id)).toEqual(["home:2#", "home:10#", "parking:地下1层", "shop:"]);
  });

  it("parking is laid in rows; the floor is said once", () => {
    const list: Unit[] = [];
    for (let i = 1; i <= 6; i++) list.push(unit("parking", "地下", null, "B1", `B1-00${i}`));
    const [house] = units(...list).buildings;
    expect(house!.floors.map((f) => f.floor)).toEqual(["B1", ""]);
    expect(house!.floors[1]!.cells.map((c) => c && c.room)).toEqual(["B1-005", "B1-006", null, null]);
  });

  it("no unit is lost when two fall into one place", () => {
    const [house] = units(unit("home", "1#", "", "2", "201"), unit("home", "1#", "", "2", "A01")).buildings;
    const shown = house!.floors.reduce((n, f) => n + f.cells.filter(Boolean).length, 0);
    expect(shown).toBe(2);
  });

  it("a name has the section only where a building has several", () => {
    const list = units(
      unit("home", "1#", "1单元", "2", "201"),
      unit("home", "2#", "1单元", "2", "201"),
      unit("home", "2#", "2单元", "2", "201"),
      unit("parking", "地下", null, "B1", "B1-001"),
    );
    expect([0, 1, 2, 3, 9].map((u) => list.label(u))).toEqual(["1#-201", "2#-1单元-201", "2#-2单元-201", "B1-001", "#9"]);
    expect(unitLabel(list.get(0)!)).toBe("1#-1单元-201");
    expect(list.buildingOf(2)!.name).toBe("2#");
  });
});
