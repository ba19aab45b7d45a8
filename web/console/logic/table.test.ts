import { describe, expect, it } from "vitest";
import { moveFocus, nextSorting, pageOf, sortRows, toTsv, type Column } from "./table";

interface Row {
  room: string;
  fen: number;
}
const columns: Column<Row>[] = [
  { key: "room", title: "室号", text: (r) => r.room, sort: (r) => r.room },
  { key: "fen", title: "总价", text: (r) => String(r.fen), sort: (r) => r.fen },
];
const rows: Row[] = [
  { room: "1002", fen: 30 },
  { room: "202", fen: 200 },
  { room: "301", fen: 100 },
];

describe("tables", () => {
  it("sort rooms as people count and amounts as numbers, and leave the rows they were given alone", () => {
    expect(sortRows(rows, columns, { key: "room", descending: false }).map((r) => r.room)).toEqual(["202", "301", "1002"]);
    expect(sortRows(rows, columns, { key: "fen", descending: true }).map((r) => r.fen)).toEqual([200, 100, 30]);
    expect(sortRows(rows, columns, undefined)).toEqual(rows);
    expect(rows[0]?.room).toBe("1002");
  });

  it("turn a third press of a heading back to the server's order", () => {
    const first = nextSorting(undefined, "room");
    const second = nextSorting(first, "room");
    expect([first, second, nextSorting(second, "room")]).toEqual([
      { key: "room", descending: false },
      { key: "room", descending: true },
      undefined,
    ]);
  });

  it("copy as text that no spreadsheet runs", () => {
    const nasty: Row[] = [{ room: "=HYPERLINK(1)", fen: -5 }, { room: "-A\tB\n", fen: 1 }, { room: "@x", fen: 2 }];
    expect(toTsv(nasty, columns)).toBe("室号\t总价\n'=HYPERLINK(1)\t-5\n'-A B \t1\n'@x\t2");
  });

  it("cut pages and keep the focus inside", () => {
    expect(pageOf([1, 2, 3, 4, 5], 2, 2)).toEqual([3, 4]);
    expect(moveFocus("ArrowDown", 4, 5)).toBe(4);
    expect(moveFocus("Home", 4, 5)).toBe(0);
    expect(moveFocus("a", 1, 5)).toBeUndefined();
  });
});
