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
  /** Where the floor names stand: `x` is the edge of their cells, top floor first. */
  floors: { text: string; x: number; y: number; h: number }[];
  cells: Cell[];
}

export interface Layout {
  width: number;
  height: number;
  panels: Panel[];
}

/** A cell is about as much wider than high as a room number is; where the page has room, wider. */
const ASPECT = 2.1;
const ASPECT_MAX = 4;
const GAP_RATIO = 0.14;
const GAP_MAX = 14;
const TITLE = 24;
const FLOOR_LABEL = 28;
const PANEL_GAP = 20;
/** Two rooms a floor make a panel narrower than "12#  33/66": its cells widen, so that the title finds room. */
const PANEL_MIN = 76;

interface Cells {
  h: number;
  aspect: number;
}

function columnWidth(cell: Cells): number {
  return cell.h * (cell.aspect + GAP_RATIO);
}

function panelSize(block: Block, cell: Cells): { w: number; h: number; label: number } {
  const gap = cell.h * GAP_RATIO;
  const label = block.kind === "home" ? FLOOR_LABEL : 0;
  return {
    w: Math.max(PANEL_MIN, label + block.columns * columnWidth(cell) - gap),
    h: TITLE + block.rows.length * (cell.h + gap) - gap,
    label,
  };
}

/** Parking has no shape of its own: it fills the line it stands on. */
function rewrap(block: Block, width: number, cell: Cells): Block {
  if (block.kind === "home") return block;
  const columns = Math.max(1, Math.min(block.units.length, Math.floor((width + cell.h * GAP_RATIO) / columnWidth(cell))));
  const rows: Block["rows"] = [];
  for (let from = 0; from < block.units.length; from += columns) {
    rows.push({ floor: "", units: block.units.slice(from, from + columns) });
  }
  return { ...block, columns, rows };
}

function fill(block: Block, x: number, y: number, w: number, h: number, label: number, title: number): Panel {
  const row_h = (h - title) / block.rows.length;
  const gap_y = Math.min((row_h * GAP_RATIO) / (1 + GAP_RATIO), GAP_MAX);
  const column_w = (w - label) / block.columns;
  const gap_x = gap_y * 1.2;
  const cells: Cell[] = [];
  const floors: Panel["floors"] = [];
  block.rows.forEach((row, r) => {
    const top = y + title + r * row_h;
    floors.push({ text: row.floor, x: x + label, y: top, h: row_h - gap_y });
    row.units.forEach((unit, c) => {
      if (unit === undefined) return;
      cells.push({ unit, x: x + label + c * column_w, y: top, w: column_w - gap_x, h: row_h - gap_y });
    });
  });
  return { block, x, y, w, h, floors, cells };
}

/** Blocks from left to right, wrapped like words, each standing on the ground of its line. */
export function flow(blocks: readonly Block[], width: number, cell_h: number, aspect = ASPECT): Layout {
  const home = { h: cell_h, aspect };
  const loose = { h: cell_h, aspect: ASPECT };
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
  for (const given of blocks) {
    const cell = given.kind === "home" ? home : loose;
    const block = rewrap(given, width, cell);
    const size = panelSize(block, cell);
    // A block wider than the page is squeezed rather than cut off.
    const w = Math.min(size.w, width);
    if (x > 0 && x + w > width) breakLine();
    line.push({ block, w, h: size.h, label: size.label });
    x += w + PANEL_GAP;
  }
  breakLine();
  return { width, height: Math.max(0, y - PANEL_GAP), panels };
}

/** The largest value between two bounds that still fits, to about a thousandth. */
function largest(low: number, high: number, fits: (value: number) => boolean): number {
  let [good, bad] = [low, high];
  for (let round = 0; round < 12; round += 1) {
    const middle = (good + bad) / 2;
    if (fits(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

/**
 * The flow with the largest cells that still fits the height; never below `min_h`, then it is higher than asked and the
 * page must give it the room. Width that is left over makes the cells wider, as long as no line of homes breaks for it
 * and the shops beside the last home are not pushed below the edge.
 */
export function fitFlow(blocks: readonly Block[], width: number, height: number, min_h = 9, max_h = 30): Layout {
  const cell_h = largest(min_h, max_h, (h) => flow(blocks, width, h).height <= height);
  const homes = blocks.filter((block) => block.kind === "home");
  const ground = flow(homes, width, cell_h).height;
  const bottom = Math.max(height, flow(blocks, width, cell_h).height);
  const aspect = largest(
    ASPECT,
    ASPECT_MAX,
    (a) => flow(homes, width, cell_h, a).height <= ground && flow(blocks, width, cell_h, a).height <= bottom,
  );
  return flow(blocks, width, cell_h, aspect);
}

/** One block stretched over a rectangle: a small one beside the large one. */
export function stretch(block: Block, rect: Rect, label = 0): Panel {
  return fill(block, rect.x, rect.y, rect.w, rect.h, block.kind === "home" ? label : 0, 0);
}

const FOLDS_MAX = 4;
const FOLD_GAP_RATIO = 0.04;

/**
 * One block as large as a rectangle allows. A tower is high and a screen is wide: its floors are folded into columns,
 * the upper ones first, until a cell is about as well filled by its number in both directions.
 */
export function fold(block: Block, rect: Rect, label: number): Panel {
  const gap = rect.w * FOLD_GAP_RATIO;
  const side = (folds: number) => {
    const w = (rect.w - gap * (folds - 1)) / folds - label;
    return Math.min(rect.h / Math.ceil(block.rows.length / folds), w / block.columns / ASPECT);
  };
  let folds = 1;
  for (let n = 2; n <= FOLDS_MAX; n += 1) if (side(n) > side(folds)) folds = n;
  const tall = Math.ceil(block.rows.length / folds);
  const w = (rect.w - gap * (folds - 1)) / folds;
  const row_h = rect.h / tall;
  const parts: Panel[] = [];
  for (let i = 0; i < folds; i += 1) {
    const rows = block.rows.slice(i * tall, (i + 1) * tall);
    if (rows.length === 0) continue;
    const place = { x: rect.x + i * (w + gap), y: rect.y, w, h: row_h * rows.length };
    parts.push(stretch({ ...block, rows }, place, label));
  }
  return {
    ...rect,
    block,
    floors: parts.flatMap((part) => part.floors),
    cells: parts.flatMap((part) => part.cells),
  };
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
    const aside = Math.abs(horizontal ? cell.y - from.y : cell.x - from.x);
    // What lies more aside than ahead is not "that way".
    if (ahead <= 0.5 || aside > Math.max(ahead, from.h)) continue;
    // Sideways steps cost more, so that "right" stays on its floor as long as there is one.
    const cost = ahead + aside * 8;
    if (cost < bestCost) [best, bestCost] = [cell, cost];
  }
  return best.unit;
}
