// The board as Vue sees it: one small ref a unit that something on the page shows, so that one change of ten thousand
// re-renders one row of one building.
import { shallowRef, triggerRef, type ShallowRef } from "vue";
import type { Board, StatusName } from "@shared/board";

const COUNT_EVERY_MS = 250;

export class Cells {
  private readonly board: Board;
  private readonly refs: (ShallowRef<number> | undefined)[] = [];
  /** Moves when counts may have changed, at most four times a second. */
  private readonly counted = shallowRef(0);
  private counting: ReturnType<typeof setTimeout> | null = null;

  constructor(board: Board) {
    this.board = board;
    board.listen((changed) => {
      for (const unit of changed) {
        const cell = this.refs[unit];
        if (cell) cell.value = board.at(unit);
      }
      if (this.counting === null) this.counting = setTimeout(() => this.count(), COUNT_EVERY_MS);
    });
  }

  at(unit: number): number {
    let cell = this.refs[unit];
    if (!cell) cell = this.refs[unit] = shallowRef(this.board.at(unit));
    return cell.value;
  }

  isFree(unit: number): boolean {
    return this.at(unit) === 0;
  }

  counts(units: readonly number[]): Record<StatusName, number> {
    void this.counted.value;
    return this.board.count(units);
  }

  private count(): void {
    this.counting = null;
    triggerRef(this.counted);
  }
}
