// Keys of picks whose answer is not known yet, kept where a reload or a killed WebView cannot take them.
import type { Attempt } from "./pick";

export interface Store {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const KEPT_MAX = 8;

export class Pending {
  private readonly name: string;
  private readonly store: Store | null;
  /** What storage would hold, for WebViews that refuse it: better until the next reload than not at all. */
  private memory: Attempt[];

  constructor(opening: string, store: Store | null) {
    this.name = `kp.pending.${opening}`;
    this.store = store;
    this.memory = [];
    this.memory = this.read();
  }

  /** Newest first, only this registration's. */
  of(registration: string): Attempt[] {
    return this.read()
      .filter((a) => a.registration === registration)
      .sort((a, b) => b.tappedMs - a.tappedMs);
  }

  keep(attempt: Attempt): void {
    const others = this.read().filter((a) => a.key !== attempt.key);
    this.write(others.concat(attempt).slice(-KEPT_MAX));
  }

  forget(key: string): void {
    this.write(this.read().filter((a) => a.key !== key));
  }

  private read(): Attempt[] {
    if (!this.store) return this.memory;
    try {
      const value: unknown = JSON.parse(this.store.getItem(this.name) || "[]");
      return Array.isArray(value) ? value.filter(isAttempt) : [];
    } catch {
      return this.memory;
    }
  }

  private write(list: Attempt[]): void {
    this.memory = list;
    try {
      if (!this.store) return;
      if (list.length === 0) this.store.removeItem(this.name);
      else this.store.setItem(this.name, JSON.stringify(list));
    } catch {
      // Full or forbidden: memory has it.
    }
  }
}

function isAttempt(value: unknown): value is Attempt {
  const a = value as Attempt | null;
  return (
    a !== null &&
    typeof a === "object" &&
    typeof a.key === "string" &&
    typeof a.unit === "number" &&
    typeof a.registration === "string" &&
    typeof a.tappedMs === "number"
  );
}

/** localStorage where the WebView grants it. */
export function deviceStore(): Store | null {
  try {
    localStorage.setItem("kp.probe", "1");
    localStorage.removeItem("kp.probe");
    return localStorage;
  } catch {
    return null;
  }
}
