import { describe, expect, it } from "vitest";
import { actionsFor, editable, stateAt, timeline } from "./timeline";

describe("an opening's way", () => {
  it("shows what is done, where it stands and what comes next", () => {
    expect(timeline("published").map((step) => step.at)).toEqual(["done", "done", "now", "next", "later", "later"]);
    expect(timeline("archived").map((step) => step.at)).toEqual(["done", "done", "done", "done", "done", "now"]);
  });

  it.each([
    ["draft", false, ["check"]],
    ["checked", false, ["publish"]],
    ["armed", false, ["unpublish"]],
    ["live", false, ["pause", "end"]],
    ["live", true, ["resume", "end"]],
    ["closed", false, []],
  ] as const)("offers in %s (paused: %s) %j", (state, paused, actions) => {
    expect(actionsFor({ state, paused })).toEqual(actions);
  });

  it("is edited before publication only", () => {
    expect(editable("checked")).toBe(true);
    expect(editable("published")).toBe(false);
  });

  it("turns live and closed by the clock, but a draft stays a draft", () => {
    const window = { start_ms: 100, end_ms: 200 };
    expect(stateAt({ state: "armed", ...window }, 99)).toBe("armed");
    expect(stateAt({ state: "armed", ...window }, 100)).toBe("live");
    expect(stateAt({ state: "live", ...window }, 200)).toBe("closed");
    expect(stateAt({ state: "draft", ...window }, 150)).toBe("draft");
  });
});
