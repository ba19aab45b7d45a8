/**
 * Draws the heat map on a canvas. Status is told by shape as well as colour: free is an open box, held is hatched,
 * sold is filled with a bar through it, withheld has a dotted edge. So it reads in sunlight and without colour sight.
 */
import type { Cell, Layout, Panel } from "./layout";

export interface Theme {
  ink: string;
  muted: string;
  accent: string;
  free: string;
  freeBg: string;
  held: string;
  heldBg: string;
  heldStripe: string;
  sold: string;
  soldBg: string;
  withheld: string;
  /** Five steps whose lightness falls all the way, so that the ramp reads in grey too. */
  heat: string[];
  font: string;
}

/** The tokens are the one source of colours; the canvas reads them where it stands, so a dark page paints dark. */
export function readTheme(element: Element): Theme {
  const style = getComputedStyle(element);
  const token = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: token("ink"),
    muted: token("ink-2"),
    accent: token("accent"),
    free: token("free"),
    freeBg: token("free-bg"),
    held: token("held"),
    heldBg: token("held-bg"),
    heldStripe: token("held-stripe"),
    sold: token("sold"),
    soldBg: token("sold-bg"),
    withheld: token("withheld"),
    heat: [0, 1, 2, 3, 4].map((step) => token(`heat-${step}`)),
    font: token("font"),
  };
}

export interface PaintState {
  /** 0 free, 1 held, 2 sold, 3 withheld. */
  status(unit: number): number;
  label(unit: number): string;
  title(panel: Panel): string;
  /** 0…1 for a measure drawn as a ramp; `undefined` paints the status. */
  heat?(unit: number): number | undefined;
  /** 0…1, how freshly the cell turned; drawn as a ring that fades. */
  fresh?(unit: number): number;
  focus?: number | undefined;
}

const TEXT_H_MIN = 13;
const TEXT_W_MIN = 26;
/** The ramp is the same on both themes, and so is the text that reads on it. */
const HEAT_TEXT_DARK = "#16202a";
const HEAT_TEXT_LIGHT = "#ffffff";

export function paint(ctx: CanvasRenderingContext2D, layout: Layout, theme: Theme, state: PaintState): void {
  const hatch = hatchPattern(ctx, theme.heldStripe);
  ctx.clearRect(0, 0, layout.width, layout.height);
  ctx.textBaseline = "middle";
  for (const panel of layout.panels) {
    paintTitle(ctx, panel, theme, state.title(panel));
    paintFloors(ctx, panel, theme);
    for (const cell of panel.cells) paintCell(ctx, cell, theme, state, hatch);
  }
}

function paintTitle(ctx: CanvasRenderingContext2D, panel: Panel, theme: Theme, title: string): void {
  if (!title) return;
  ctx.fillStyle = theme.ink;
  ctx.font = `600 13px ${theme.font}`;
  ctx.textAlign = "left";
  const { x, room } = titlePlace(panel, ctx.measureText(title).width);
  ctx.fillText(title, x, panel.y + 9, room);
}

/** Over the cells where it fits there, else from the panel's own edge; never past the panel, the page ends there. */
export function titlePlace(panel: Panel, text_w: number): { x: number; room: number } {
  const right = panel.x + panel.w;
  const left = panel.cells.length > 0 ? Math.min(...panel.cells.map((cell) => cell.x)) : panel.x;
  const x = left + text_w <= right ? left : panel.x;
  return { x, room: right - x };
}

/** Every floor when there is room, else every fifth: a tower of sixty floors must not become a smear of digits. */
function paintFloors(ctx: CanvasRenderingContext2D, panel: Panel, theme: Theme): void {
  const first = panel.floors[0];
  const room = first ? first.x - panel.x : 0;
  if (!first || room < 16) return;
  const size = Math.max(9, Math.min(first.h * 0.62, room * 0.45));
  const step = first.h >= 11 ? 1 : 5;
  ctx.fillStyle = theme.muted;
  ctx.font = `${size}px ${theme.font}`;
  ctx.textAlign = "right";
  panel.floors.forEach((floor, index) => {
    if (index % step === 0) ctx.fillText(floor.text, floor.x - size * 0.5, floor.y + floor.h / 2 + 0.5);
  });
}

function paintCell(
  ctx: CanvasRenderingContext2D,
  cell: Cell,
  theme: Theme,
  state: PaintState,
  hatch: CanvasPattern | string,
): void {
  const { x, y, w, h } = cell;
  const status = state.status(cell.unit);
  const heat = state.heat?.(cell.unit);
  const radius = Math.min(4, h / 4);
  const box = () => {
    ctx.beginPath();
    ctx.roundRect(x, y, w, h, radius);
  };
  let text = theme.free;
  const label = state.label(cell.unit);
  const readable = label !== "" && h >= TEXT_H_MIN && w >= TEXT_W_MIN;
  ctx.setLineDash([]);
  // On a wall of 4K a hairline is gone from the third row.
  ctx.lineWidth = Math.max(1, Math.min(3, h * 0.035));
  box();
  if (heat !== undefined) {
    ctx.fillStyle = ramp(heat, theme.heat);
    ctx.fill();
    ctx.strokeStyle = theme.heldStripe;
    ctx.stroke();
    text = heat > 0.6 ? HEAT_TEXT_LIGHT : HEAT_TEXT_DARK;
  } else if (status === 0) {
    ctx.fillStyle = theme.freeBg;
    ctx.fill();
    ctx.strokeStyle = theme.free;
    ctx.stroke();
  } else if (status === 1) {
    ctx.fillStyle = theme.heldBg;
    ctx.fill();
    ctx.fillStyle = hatch;
    ctx.fill();
    ctx.strokeStyle = theme.held;
    ctx.stroke();
    text = theme.held;
  } else if (status === 2) {
    ctx.fillStyle = theme.soldBg;
    ctx.fill();
    text = theme.sold;
    paintBar(ctx, cell, theme, readable);
  } else {
    ctx.setLineDash([2, 2]);
    ctx.strokeStyle = theme.withheld;
    ctx.stroke();
    ctx.setLineDash([]);
    text = theme.withheld;
  }
  if (readable) paintText(ctx, cell, label, text, theme, status === 1 && heat === undefined);
  paintRings(ctx, cell, theme, state, box);
}

function paintText(
  ctx: CanvasRenderingContext2D,
  cell: Cell,
  label: string,
  colour: string,
  theme: Theme,
  onHatch: boolean,
): void {
  const font = (px: number) => `${onHatch ? "600 " : ""}${px}px ${theme.font}`;
  let size = cell.h * 0.6;
  ctx.font = font(size);
  // "13A04" needs more room than "201": the text gives way, never the cell.
  size = Math.min(size, (size * cell.w * 0.8) / ctx.measureText(label).width);
  ctx.font = font(size);
  ctx.textAlign = "center";
  if (onHatch) {
    // The hatch would eat the digits: a clear plate under them keeps the contrast.
    const plate = Math.min(ctx.measureText(label).width + size * 0.5, cell.w * 0.92);
    ctx.fillStyle = theme.heldBg;
    ctx.fillRect(cell.x + (cell.w - plate) / 2, cell.y + cell.h * 0.14, plate, cell.h * 0.72);
  }
  ctx.fillStyle = colour;
  ctx.fillText(label, cell.x + cell.w / 2, cell.y + cell.h / 2 + size * 0.04, cell.w - 4);
}

/** The bar of "sold": the lower half of a small cell, a line under the number of a large one. */
function paintBar(ctx: CanvasRenderingContext2D, cell: Cell, theme: Theme, readable: boolean): void {
  ctx.fillStyle = theme.sold;
  if (readable) ctx.fillRect(cell.x + cell.w * 0.2, cell.y + cell.h * 0.82, cell.w * 0.6, Math.max(1.5, cell.h * 0.07));
  else ctx.fillRect(cell.x + cell.w * 0.12, cell.y + cell.h * 0.3, cell.w * 0.76, cell.h * 0.4);
}

function paintRings(
  ctx: CanvasRenderingContext2D,
  cell: Cell,
  theme: Theme,
  state: PaintState,
  box: () => void,
): void {
  const fresh = state.fresh?.(cell.unit) ?? 0;
  if (fresh > 0) {
    ctx.globalAlpha = fresh;
    ctx.strokeStyle = theme.accent;
    ctx.lineWidth = 2;
    box();
    ctx.stroke();
    ctx.globalAlpha = 1;
  }
  if (state.focus === cell.unit) {
    ctx.strokeStyle = theme.ink;
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.roundRect(cell.x - 2, cell.y - 2, cell.w + 4, cell.h + 4, 4);
    ctx.stroke();
  }
}

function hatchPattern(ctx: CanvasRenderingContext2D, colour: string): CanvasPattern | string {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const pen = tile.getContext("2d");
  if (!pen) return colour;
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.beginPath();
  for (const from of [-6, 0, 6]) {
    pen.moveTo(from, 6);
    pen.lineTo(from + 6, 0);
  }
  pen.stroke();
  return ctx.createPattern(tile, "repeat") ?? colour;
}

/** The colour at `value` (0…1) between the steps of the ramp. */
export function ramp(value: number, steps: readonly string[]): string {
  const place = Math.max(0, Math.min(1, value)) * (steps.length - 1);
  const low = Math.min(Math.floor(place), steps.length - 2);
  const [a, b] = [rgb(steps[low] ?? ""), rgb(steps[low + 1] ?? "")];
  const mixed = a.map((channel, i) => Math.round(channel + ((b[i] ?? 0) - channel) * (place - low)));
  return `rgb(${mixed.join(", ")})`;
}

function rgb(hex: string): number[] {
  return [1, 3, 5].map((from) => parseInt(hex.slice(from, from + 2), 16) || 0);
}
