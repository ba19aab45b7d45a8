import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { catalogueFaults } from "@shared/i18n";
import { en } from "./en";
import { zh } from "./zh";

/** Apart from `new URL`, which Vite would otherwise take for an asset of the page. */
const here = import.meta.url;

/** The server's own list is the measure: a code that it learns tomorrow and no page can say turns this red. */
function codesOf(file: string, pattern: RegExp): string[] {
  const source = readFileSync(new URL(`../../../src/${file}`, here), "utf8");
  return [...source.matchAll(pattern)].map((match) => match[1] as string);
}

describe("the console's words (OP-95)", () => {
  it("stand in both languages with the same placeholders", () => {
    expect(catalogueFaults(zh, en)).toEqual([]);
  });

  it("cover every problem that the doors can answer with", () => {
    const codes = codesOf("http/problem.rs", /^\s+\w+ = "([A-Z_]+)", [A-Z_]+, "/gm);
    expect(codes.length).toBeGreaterThan(20);
    expect(codes.filter((code) => !(`err.${code}` in zh))).toEqual([]);
  });
});
