import { describe, expect, it } from "vitest";
import { catalogueFaults } from "@shared/i18n";
import { en, zh } from "./words";

describe("the buyer's words (OP-95)", () => {
  it("stand in both languages", () => {
    // The switch names the other language in that language: the one place where Chinese stands in English.
    expect(catalogueFaults(zh, { ...en, "lang.switch": "Chinese" })).toEqual([]);
  });

  // Every refusal of docs/protocol.md has its own sentence; OP-48.
  it.each([
    "NOT_OPEN_YET", "CLOSED", "PAUSED", "NOT_ADMITTED", "NOT_YOUR_TURN", "QUOTA_USED", "TAKEN", "WITHHELD", "ALREADY_YOURS",
    "UNIT_UNKNOWN", "NOT_RECORDED", "VIEWER_DEVICE", "SLOW_DOWN", "KEY_REUSED",
  ])("%s has words of its own", (code) => {
    const words = (zh as Record<string, string>)[`no.${code}`];
    expect(words).toBeTruthy();
    const same = Object.entries(zh).filter(([key, text]) => key.indexOf("no.") === 0 && text === words);
    expect(same.length).toBe(1);
  });
});
