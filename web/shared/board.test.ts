import { describe, expect, it } from "vitest";
import { Board, type Applied } from "./board";

type Step = ["snap", number, string] | ["change", number, number, number[]];

function digits(board: Board): string {
  const { free, held, sold, withheld } = board.count();
  let text = "";
  for (let unit = 0; unit < free + held + sold + withheld; unit++) text += board.at(unit);
  return text;
}

describe("Board (OP-41: live board, a gap is seen)", () => {
  const cases: [string, Step[], Applied, string, number][] = [
    ["a change before any snapshot is a gap", [["change", 0, 1, [0, 1]]], "gap", "", -1],
    ["a snapshot is taken", [["snap", 5, "0123"]], "applied", "0123", 5],
    ["a change that follows is taken", [["snap", 5, "0000"], ["change", 5, 7, [1, 1, 3, 2]]], "applied", "0102", 7],
    ["a change with a hole before it is a gap and changes nothing", [["snap", 5, "0000"], ["change", 6, 7, [1, 1]]], "gap", "0000", 5],
    ["a change seen before is old", [["snap", 7, "0100"], ["change", 5, 7, [1, 1]]], "old", "0100", 7],
    ["a change that overlaps is taken", [["snap", 6, "0100"], ["change", 5, 8, [1, 1, 2, 2]]], "applied", "0120", 8],
    ["an older snapshot is old", [["snap", 9, "1111"], ["snap", 8, "0000"]], "old", "1111", 9],
    ["a snapshot of the same moment is taken", [["snap", 9, "1111"], ["snap", 9, "1111"]], "applied", "1111", 9],
    ["an empty change moves the sequence", [["snap", 5, "00"], ["change", 5, 6, []]], "applied", "00", 6],
    ["a unit that the board does not have is a gap: units were added", [["snap", 5, "00"], ["change", 5, 6, [2, 1]]], "gap", "00", 5],
    ["a longer snapshot adds units", [["snap", 5, "00"], ["snap", 6, "001"]], "applied", "001", 6],
  ];
  it.each(cases)("%s", (_, steps, last, expected, seq) => {
    const board = new Board();
    let result: Applied = "old";
    for (const step of steps) {
      result = step[0] === "snap" ? board.snapshot(step[1], step[2]) : board.change(step[1], step[2], step[3]);
    }
    expect(result).toBe(last);
    expect(digits(board)).toBe(expected);
    expect(board.seq).toBe(seq);
  });

  it("names only the units that changed, once", () => {
    const board = new Board();
    const seen: number[][] = [];
    const stop = board.listen((changed) => seen.push([...changed]));
    board.snapshot(1, "0000");
    board.change(1, 2, [2, 1]);
    board.change(2, 3, [2, 1]);
    stop();
    board.change(3, 4, [0, 2]);
    expect(seen).toEqual([[0, 1, 2, 3], [2]]);
  });

  it("counts, all or some", () => {
    const board = new Board();
    board.snapshot(1, "0012239");
    expect(board.count()).toEqual({ free: 2, held: 1, sold: 2, withheld: 2 });
    expect(board.count([0, 2])).toEqual({ free: 1, held: 1, sold: 0, withheld: 0 });
  });
});
