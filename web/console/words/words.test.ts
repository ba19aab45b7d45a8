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

  const lists: [string, string, RegExp, string, number][] = [
    ["problems of the doors", "http/problem.rs", /^\s+\w+ = "([A-Z_]+)", [A-Z_]+, "/gm, "err", 20],
    ["refused commands", "opening/job.rs", /^\s+\w+ = "([A-Z_]+)",$/gm, "err", 5],
    ["files that can't be read", "opening/prepare/problem.rs", /"(FILE_[A-Z_]+)"/g, "err", 5],
    ["reasons of refused rows", "opening/prepare/problem.rs", /^\s+\w+ = "([A-Z_]+)",$/gm, "reason", 20],
    ["findings before publication", "opening/preflight.rs", /(?:finding|count)\("([A-Z_]+)"/g, "finding", 8],
    ["kinds of events", "opening/event.rs", /=> "([a-z_]+)",$/gm, "event", 10],
    ["reasons of refunds", "opening/script/claims.rs", /"([A-Z]+_?[A-Z]*)"/g, "refund", 2],
  ];
  // Mutation caught: a row taken out of `codes-zh.ts` names its code here.
  it.each(lists)("cover the %s", (_, file, pattern, prefix, least) => {
    const codes = codesOf(file, pattern);
    expect(codes.length).toBeGreaterThanOrEqual(least);
    expect(codes.filter((code) => !(`${prefix}.${code}` in zh))).toEqual([]);
  });
});
