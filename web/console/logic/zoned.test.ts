import { describe, expect, it } from "vitest";
import { fromInput, toInput } from "./zoned";

describe("times of a form", () => {
  it("are the project's, wherever the browser stands", () => {
    const start_ms = Date.UTC(2026, 10, 22, 2, 0, 30);
    expect(toInput(start_ms, "Asia/Shanghai")).toBe("2026-11-22T10:00:30");
    expect(fromInput("2026-11-22T10:00:30", "Asia/Shanghai")).toBe(start_ms);
    expect(fromInput("2026-11-22T10:00", "Asia/Shanghai")).toBe(start_ms - 30_000);
  });

  it("hold on both sides of a change of clocks", () => {
    for (const text of ["2026-03-29T01:30:00", "2026-03-29T03:30:00", "2026-10-25T00:30:00", "2026-10-25T04:30:00"]) {
      const ms = fromInput(text, "Europe/Berlin");
      expect(ms && toInput(ms, "Europe/Berlin")).toBe(text);
    }
  });

  it("are nothing when they are not times", () => {
    for (const text of ["", "tomorrow", "2026-11-22"]) expect(fromInput(text, "Asia/Shanghai")).toBeUndefined();
  });
});
