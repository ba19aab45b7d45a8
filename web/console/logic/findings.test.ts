import { describe, expect, it } from "vitest";
import { bySeverity, pageOf } from "./findings";

describe("pre-flight findings", () => {
  it.each([
    ["START_IN_PAST", "settings", "edit"],
    ["ALL_UNITS_WITHHELD", "units", "units"],
    ["ELIGIBILITY_PENDING", "roster", "registrations"],
    ["NO_UNITS", "units", "import"],
    ["NEW_CODE", "tomorrow", "home"],
    ["NEW_CODE", null, "home"],
  ])("%s on %s is mended on %s", (code, page, where) => expect(pageOf({ code, page })).toBe(where));

  it("put what stops first", () => {
    const findings = [
      { code: "A", severity: "warn" as const },
      { code: "B", severity: "stop" as const },
    ];
    expect(bySeverity(findings).map((finding) => finding.code)).toEqual(["B", "A"]);
  });
});
