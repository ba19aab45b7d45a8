import { describe, expect, it } from "vitest";
import type { Unit } from "../api/buyer";
import { Units } from "../units";
import { toBlocks } from "./buildings";
import { fitFlow, flow, fold, hit, neighbour, stretch } from "./layout";
import { ramp, titlePlace } from "./paint";

/** A tower with four rooms a floor, a lower one with two, and a car park. */
function estate(): Unit[] {
  const units: Unit[] = [];
  const add = (unit: Omit<Unit, "unit" | "total_fen">) => units.push({ unit: units.length, total_fen: 1, ...unit });
  for (const [building, floors, rooms] of [["10#", 18, 2], ["2#", 33, 4]] as const) {
    for (let floor = 2; floor <= floors; floor += 1) {
      for (let room = 1; room <= rooms; room += 1) {
        add({ kind: "home", building, section: "1单元", floor: String(floor), room: `${floor}0${room}` });
      }
    }
  }
  for (let i = 1; i <= 240; i += 1) add({ kind: "parking", room: `B1-${String(i).padStart(3, "0")}` });
  return units;
}

describe("blocks", () => {
  const units = estate();
  const blocks = toBlocks(new Units(units));

  it("stand in the order people count buildings, homes first", () => {
    expect(blocks.map((block) => block.building || block.kind)).toEqual(["2#", "10#", "parking"]);
  });

  it("have the top floor on top and a room under its like", () => {
    const tower = blocks[0];
    expect(tower?.rows[0]?.floor).toBe("33");
    expect(tower?.columns).toBe(4);
    const rooms = tower?.rows.map((row) => units[row.units[3] ?? -1]?.room);
    expect(rooms?.every((room) => room?.endsWith("04"))).toBe(true);
  });

  it("leave a hole where a floor lacks a room", () => {
    const holed = toBlocks(new Units(units.filter((unit) => unit.room !== "3302")));
    expect(holed[0]?.rows[0]?.units[1]).toBeUndefined();
    expect(holed[0]?.rows[0]?.units).toHaveLength(4);
  });

  it("keep every unit once", () => {
    const placed = blocks.flatMap((block) => block.rows.flatMap((row) => row.units.filter((u) => u !== undefined)));
    expect([...placed].sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual(units.map((unit) => unit.unit));
  });
});

describe("layout", () => {
  const blocks = toBlocks(new Units(estate()));

  it.each([390, 900, 1440, 3840])("at %i px keeps every cell inside the page and apart from the others", (width) => {
    const layout = fitFlow(blocks, width, 700);
    const cells = layout.panels.flatMap((panel) => panel.cells);
    expect(cells).toHaveLength(estate().length);
    for (const cell of cells) {
      expect(cell.x).toBeGreaterThanOrEqual(0);
      expect(cell.x + cell.w).toBeLessThanOrEqual(width + 0.5);
      expect(cell.w).toBeGreaterThan(0);
      // The middle of a cell belongs to that cell alone.
      expect(hit(layout, cell.x + cell.w / 2, cell.y + cell.h / 2)?.unit).toBe(cell.unit);
    }
  });

  it("uses the height it is given", () => {
    expect(fitFlow(blocks, 1400, 700).height).toBeLessThanOrEqual(700);
    expect(fitFlow(blocks, 1400, 700).height).toBeGreaterThan(400);
  });

  it("uses the width it is given: wider cells, and a car park that fills its line", () => {
    const layout = fitFlow(blocks, 1400, 700);
    const right = (kind: string) =>
      Math.max(...layout.panels.filter((p) => p.block.kind === kind).flatMap((p) => p.cells.map((c) => c.x + c.w)));
    expect(right("parking")).toBeGreaterThan(1300);
    const cell = layout.panels[0]?.cells[0];
    expect((cell?.w ?? 0) / (cell?.h ?? 1)).toBeGreaterThan(3);
  });

  // Mutation caught: widening the homes without a look at the whole pushed the shops below the box.
  it.each([560, 640, 700, 760, 820, 830, 900, 1000, 1110])("keeps everything in the height at %i px", (width) => {
    const units = estate().slice(0, -240);
    for (const building of ["3#", "5#", "7#"]) {
      for (let floor = 2; floor <= 20; floor += 1) {
        for (const room of ["01", "02"]) {
          units.push({ unit: units.length, total_fen: 1, kind: "home", building, floor: String(floor), room: `${floor}${room}` });
        }
      }
    }
    for (let i = 1; i <= 3; i += 1) units.push({ unit: units.length, total_fen: 1, kind: "shop", room: `S${i}` });
    const all = toBlocks(new Units(units));
    for (let height = 420; height <= 900; height += 10) {
      const layout = fitFlow(all, width, height);
      const bottom = Math.max(...layout.panels.flatMap((p) => p.cells.map((c) => c.y + c.h)));
      expect(bottom).toBeLessThanOrEqual(layout.height + 0.5);
      expect(layout.height).toBeLessThanOrEqual(Math.max(height, flow(all, width, 9).height));
    }
  });

  it("keeps a title inside its panel", () => {
    const [panel] = flow(blocks, 1400, 16).panels;
    if (!panel) throw new Error("no panel");
    const narrow = { ...panel, w: 80 };
    expect(titlePlace(panel, 60).x).toBe(panel.cells[0]?.x);
    // Mutation caught: the panel's whole width counted from its first cell ran past the edge of the page.
    for (const text_w of [40, 60, 79, 200]) {
      const { x, room } = titlePlace(narrow, text_w);
      expect(x + room).toBeLessThanOrEqual(narrow.x + narrow.w);
    }
    expect(titlePlace(narrow, 79)).toEqual({ x: narrow.x, room: 80 });
  });

  it("stretches one block over a rectangle", () => {
    const block = blocks[0];
    if (!block) throw new Error("no block");
    const panel = stretch(block, { x: 100, y: 50, w: 800, h: 600 }, 40);
    const right = Math.max(...panel.cells.map((cell) => cell.x + cell.w));
    const bottom = Math.max(...panel.cells.map((cell) => cell.y + cell.h));
    expect(Math.min(...panel.cells.map((cell) => cell.x))).toBe(140);
    expect(right).toBeGreaterThan(880);
    expect(bottom).toBeGreaterThan(635);
    expect(bottom).toBeLessThanOrEqual(650);
  });

  it("folds a tower so that its cells are as large as the rectangle allows, each home once", () => {
    const tower = blocks[0];
    if (!tower) throw new Error("no block");
    const rect = { x: 0, y: 0, w: 700, h: 800 };
    const folded = fold(tower, rect, 40);
    expect(new Set(folded.cells.map((cell) => cell.unit)).size).toBe(tower.units.length);
    expect(folded.cells[0]?.h ?? 0).toBeGreaterThan((stretch(tower, rect, 40).cells[0]?.h ?? 0) * 1.5);
    expect(Math.max(...folded.cells.map((cell) => cell.x + cell.w))).toBeLessThanOrEqual(700);
    expect(Math.max(...folded.cells.map((cell) => cell.y + cell.h))).toBeLessThanOrEqual(800);
    expect(folded.floors.map((floor) => floor.text)).toEqual(tower.rows.map((row) => row.floor));
  });

  it("lets the arrow keys walk along a floor and up a column", () => {
    const layout = flow(blocks, 1400, 16);
    const top = layout.panels[0]?.block.rows[0]?.units as number[];
    const below = layout.panels[0]?.block.rows[1]?.units as number[];
    expect(neighbour(layout, top[0] ?? -1, "right")).toBe(top[1]);
    expect(neighbour(layout, top[1] ?? -1, "down")).toBe(below[1]);
    expect(neighbour(layout, below[1] ?? -1, "up")).toBe(top[1]);
    expect(neighbour(layout, top[0] ?? -1, "left")).toBe(top[0]);
  });
});

describe("ramp", () => {
  const steps = ["#ffffff", "#808080", "#000000"];
  it.each([
    [-1, "rgb(255, 255, 255)"],
    [0, "rgb(255, 255, 255)"],
    [0.5, "rgb(128, 128, 128)"],
    [0.75, "rgb(64, 64, 64)"],
    [2, "rgb(0, 0, 0)"],
  ])("at %d is %s", (value, colour) => expect(ramp(value, steps)).toBe(colour));
});
