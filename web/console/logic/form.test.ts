import { describe, expect, it } from "vitest";
import type { OpeningDraft } from "@shared/api/staff";
import { emptyForm, toDraft, toForm } from "./form";

const zone = "Asia/Shanghai";
const draft: OpeningDraft = {
  project: "01J",
  name: "首开",
  start_ms: Date.UTC(2026, 10, 22, 2),
  end_ms: Date.UTC(2026, 10, 22, 4),
  hold_s: 900,
  favourites_max: 10,
  deposit_fen: { home: 5_000_000, parking: 1_000_000, shop: 5_000_050, storage: 0 },
  quota: { home: 2, parking: 1, shop: 0, storage: 1 },
  household_quota: { home: 1, parking: null, shop: null, storage: null },
};

describe("the form of an opening", () => {
  it("gives back what it was filled from", () => {
    expect(toDraft(toForm(draft, zone), zone)).toEqual({ draft, faults: {} });
  });

  it("begins with an opening that lacks only its name", () => {
    const form = emptyForm("01J", Date.UTC(2026, 10, 21, 20), zone);
    expect(form.start).toBe("2026-11-23T10:00:00");
    expect(toDraft(form, zone).faults).toEqual({ name: "fault.name" });
  });

  it.each([
    [{ name: " " }, { name: "fault.name" }],
    [{ project: "" }, { project: "fault.project" }],
    [{ start: "soon" }, { start: "fault.time" }],
    [{ end: "2026-11-22T10:00:00" }, { end: "fault.endBeforeStart" }],
    [{ hold_minutes: "0" }, { hold: "fault.hold" }],
    [{ hold_minutes: "-5" }, { hold: "fault.hold" }],
    [{ favourites_max: "0" }, { favourites: "fault.favourites" }],
    [{ quota: { ...toForm(draft, zone).quota, home: "1.5" } }, { "quota.home": "fault.quota" }],
    [{ household: { ...toForm(draft, zone).household, shop: "x" } }, { "household.shop": "fault.quota" }],
    [{ deposit: { ...toForm(draft, zone).deposit, home: "1.005" } }, { "deposit.home": "fault.amount" }],
  ])("points at the field: %j", (change, faults) => {
    expect(toDraft({ ...toForm(draft, zone), ...change }, zone).faults).toEqual(faults);
  });
});
