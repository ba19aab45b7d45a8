// The board: the status of each unit at a journal sequence. It takes snapshots and changes in any order the network
// brings them and never goes back in time. It knows no units' names, no words, no Vue.

export const enum Status {
  Free = 0,
  Held = 1,
  Sold = 2,
  Withheld = 3,
}

export type StatusName = "free" | "held" | "sold" | "withheld";
const NAMES: readonly StatusName[] = ["free", "held", "sold", "withheld"];

export function statusName(status: number): StatusName {
  // A status that this page does not know yet is shown as one that cannot be picked.
  return NAMES[status] || "withheld";
}

/** `applied`: the board moved. `old`: nothing new in it. `gap`: a change is missing, ask for a snapshot. */
export type Applied = "applied" | "old" | "gap";

export type BoardListener = (changed: readonly number[], board: Board) => void;

export class Board {
  /** Sequence that `status` shows; -1 before the first snapshot. */
  seq = -1;
  private status = new Uint8Array(0);
  private listeners: BoardListener[] = [];

  get ready(): boolean {
    return this.seq >= 0;
  }

  at(unit: number): number {
    const status = this.status[unit];
    return status === undefined ? Status.Withheld : status;
  }

  isFree(unit: number): boolean {
    return this.at(unit) === Status.Free;
  }

  /** Tells which units changed, each time that some did. Returns the way to stop listening. */
  listen(listener: BoardListener): () => void {
    this.listeners.push(listener);
    return () => {
      this.listeners = this.listeners.filter((l) => l !== listener);
    };
  }

  snapshot(seq: number, digits: string): Applied {
    if (seq < this.seq) return "old";
    const changed: number[] = [];
    const next = new Uint8Array(digits.length);
    for (let unit = 0; unit < digits.length; unit++) {
      next[unit] = digits.charCodeAt(unit) - 48;
      if (next[unit] !== this.status[unit]) changed.push(unit);
    }
    this.status = next;
    this.seq = seq;
    this.tell(changed);
    return "applied";
  }

  change(from: number, to: number, pairs: readonly number[]): Applied {
    if (!this.ready || from > this.seq) return "gap";
    if (to <= this.seq) return "old";
    // Starts before our sequence and ends after it: the changes are absolute, so that applying them is still right.
    const changed: number[] = [];
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      const unit = pairs[i] as number;
      const status = pairs[i + 1] as number;
      if (unit >= this.status.length) return "gap";
      if (this.status[unit] !== status) {
        this.status[unit] = status;
        changed.push(unit);
      }
    }
    this.seq = to;
    this.tell(changed);
    return "applied";
  }

  /** How many of these units (all, when none are named) stand at each status. */
  count(units?: readonly number[]): Record<StatusName, number> {
    const counts = [0, 0, 0, 0];
    const add = (status: number) => {
      const slot = status < 4 ? status : Status.Withheld;
      counts[slot] = (counts[slot] as number) + 1;
    };
    if (units) units.forEach((unit) => add(this.at(unit)));
    else this.status.forEach(add);
    return { free: counts[0]!, held: counts[1]!, sold: counts[2]!, withheld: counts[3]! };
  }

  private tell(changed: readonly number[]): void {
    if (changed.length > 0) this.listeners.forEach((listener) => listener(changed, this));
  }
}
