/**
 * What a table does without a page: sort rows, cut them into pages, and turn them into text for the clipboard.
 */

export interface Column<Row> {
  key: string;
  title: string;
  /** What the cell shows, and what is copied. */
  text: (row: Row) => string;
  /** What it is sorted by; a column without it keeps the server's order. */
  sort?: (row: Row) => string | number;
  align?: "right";
  /** Hidden on a phone: what one can do without. */
  wide?: boolean;
}

export interface Sorting {
  key: string;
  descending: boolean;
}

const natural = new Intl.Collator("zh-CN", { numeric: true });

/** Ascending, then descending, then as it came. */
export function nextSorting(current: Sorting | undefined, key: string): Sorting | undefined {
  if (current?.key !== key) return { key, descending: false };
  return current.descending ? undefined : { key, descending: true };
}

export function sortRows<Row>(rows: readonly Row[], columns: readonly Column<Row>[], by?: Sorting): Row[] {
  const value = columns.find((column) => column.key === by?.key)?.sort;
  if (!by || !value) return [...rows];
  const sign = by.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return sign * (typeof x === "number" && typeof y === "number" ? x - y : natural.compare(String(x), String(y)));
  });
}

/**
 * Tab-separated, as spreadsheets take it. Text that a spreadsheet would run as a formula gets an apostrophe before
 * it: what came in as text must never leave as a formula.
 */
export function toTsv<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const lines = [columns.map((column) => column.title), ...rows.map((row) => columns.map((c) => c.text(row)))];
  return lines.map((cells) => cells.map(cell).join("\t")).join("\n");
}

function cell(text: string): string {
  const flat = text.replace(/[\t\r\n]+/g, " ");
  const formula = /^[=+@]/.test(flat) || (flat.startsWith("-") && !/^-[\d.,]+$/.test(flat) && flat !== "-");
  return formula ? `'${flat}` : flat;
}

export function pageOf<Row>(rows: readonly Row[], page: number, size: number): Row[] {
  return rows.slice((page - 1) * size, page * size);
}

/** Where a key press moves the row that has the focus; `undefined` when the key is none of the table's. */
export function moveFocus(key: string, row: number, rows: number): number | undefined {
  const to: Record<string, number> = {
    ArrowDown: row + 1,
    ArrowUp: row - 1,
    PageDown: row + 10,
    PageUp: row - 10,
    Home: 0,
    End: rows - 1,
  };
  const target = to[key];
  return target === undefined ? undefined : Math.max(0, Math.min(rows - 1, target));
}
