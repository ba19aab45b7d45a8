import { describe, expect, it } from "vitest";
import { bySeverity, pageOf } from "./findings";

describe("pre-flight findings", () => {
  it("lead to the page that mends them, and home when the page is new to us", () => {
    expect(["units", "import", "settings", "tomorrow", null].map((page) => pageOf({ page }))).toEqual([
      "units",
      "import",
      "edit",
      "home",
      "home",
    ]);
  });

  it("put what stops first", () => {
    const findings = [
      { code: "A", severity: "warn" as const },
      { code: "B", severity: "stop" as const },
    ];
    expect(bySeverity(findings).map((finding) => finding.code)).toEqual(["B", "A"]);
  });
});
