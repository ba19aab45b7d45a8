/**
 * Where each cell of the heat map stands, in CSS pixels. Pure geometry: blocks and a size in, rectangles out.
 * Knows no canvas and no status, so that the big screen, the console and the tests share it.
 */
import type { Block } from "./buildings";

export interface Rect {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Cell extends Rect {
  unit: number;
}

export interface Panel extends Rect {
  block: Block;
  /** Baselines of the floor names, top floor first. */
  floors: { text: string; y: number; h: number }[];
  cells: Cell[];
}

export interface Layout {
  width: number;
  height: number;
  panels: Panel[];
}

/** A cell is about as much wider than high as a room number is. */
const ASPECT = 2.1;
const GAP_RATIO = 0.14;
const TITLE = 24;
const FLOOR_LABEL = 28;
const PANEL_GAP = 20;

function panelSize(block: Block, cell_h: number): { w: number; h: number; label: number } {
  const gap = cell_h * GAP_RATIO;
  const label = block.kind === "home" ? FLOOR_LABEL : 0;
  return {
    w: label + block.columns * (cell_h * ASPECT + gap) - gap,
    h: TITLE + block.rows.length * (cell_h + gap) - gap,
    label,
  };
}

function fill(block: Block, x: number, y: number, w: number, h: number, label: number, title: number): Panel {
  const row_h = (h - title) / block.rows.length;
  const gap_y = Math.min((row_h * GAP_RATIO) / (1 + GAP_RATIO), 6);
  const column_w = (w - label) / block.columns;
  const gap_x = Math.min(gap_y * 1.2, 8);
  const cells: Cell[] = [];
  const floors: Panel["floors"] = [];
  block.rows.forEach((row, r) => {
    const top = y + title + r * row_h;
    floors.push({ text: row.floor, y: top, h: row_h - gap_y });
    row.units.forEach((unit, c) => {
      if (unit === undefined) return;
      cells.push({ unit, x: x + label + c * column_w, y: top, w: column_w - gap_x, h: row_h - gap_y });
    });
  });
  return { block, x, y, w, h, floors, cells };
}

/** Blocks from left to right, wrapped like words, each standing on the ground of its line. */
export function flow(blocks: readonly Block[], width: number, cell_h: number): Layout {
  const panels: Panel[] = [];
  let line: { block: Block; w: number; h: number; label: number }[] = [];
  let x = 0;
  let y = 0;
  const breakLine = () => {
    if (line.length === 0) return;
    const ground = Math.max(...line.map((item) => item.h));
    let left = 0;
    for (const item of line) {
      panels.push(fill(item.block, left, y + ground - item.h, item.w, item.h, item.label, TITLE));
      left += item.w + PANEL_GAP;
    }
    y += ground + PANEL_GAP;
    line = [];
    x = 0;
  };
  for (const block of blocks) {
    const size = panelSize(block, cell_h);
    // A block wider than the page is squeezed rather than cut off.
    const w = Math.min(size.w, width);
    if (x > 0 && x + w > width) breakLine();
    line.push({ block, w, h: size.h, label: size.label });
    x += w + PANEL_GAP;
  }
  breakLine();
  return { width, height: Math.max(0, y - PANEL_GAP), panels };
}

/** The flow with the largest cells that still fits the height; never below `min_h`, then the page scrolls. */
export function fitFlow(blocks: readonly Block[], width: number, height: number, min_h = 9, max_h = 30): Layout {
  let low = min_h;
  let high = max_h;
  for (let round = 0; round < 12; round += 1) {
    const middle = (low + high) / 2;
    if (flow(blocks, width, middle).height <= height) low = middle;
    else high = middle;
  }
  return flow(blocks, width, low);
}

/** One block stretched over a rectangle: the large building of the big screen, or a small one beside it. */
export function stretch(block: Block, rect: Rect, label = 0): Panel {
  return fill(block, rect.x, rect.y, rect.w, rect.h, block.kind === "home" ? label : 0, 0);
}

export function hit(layout: Layout, x: number, y: number): Cell | undefined {
  for (const panel of layout.panels) {
    if (x < panel.x || y < panel.y || x > panel.x + panel.w || y > panel.y + panel.h) continue;
    const cell = panel.cells.find((c) => x >= c.x && x <= c.x + c.w && y >= c.y && y <= c.y + c.h);
    if (cell) return cell;
  }
  return undefined;
}

export type Direction = "left" | "right" | "up" | "down";

/** The nearest cell in a direction, so that arrow keys walk the map as the eye does. */
export function neighbour(layout: Layout, unit: number, direction: Direction): number {
  const cells = layout.panels.flatMap((panel) => panel.cells);
  const from = cells.find((cell) => cell.unit === unit) ?? cells[0];
  if (!from) return unit;
  const horizontal = direction === "left" || direction === "right";
  const sign = direction === "left" || direction === "up" ? -1 : 1;
  let best = from;
  let bestCost = Infinity;
  for (const cell of cells) {
    const ahead = sign * (horizontal ? cell.x - from.x : cell.y - from.y);
    if (ahead <= 0.5) continue;
    const aside = Math.abs(horizontal ? cell.y - from.y : cell.x - from.x);
    // Sideways steps cost more, so that "right" stays on its floor as long as there is one.
    const cost = ahead + aside * 8;
    if (cost < bestCost) [best, bestCost] = [cell, cost];
  }
  return best.unit;
}
