/**
 * The way of an opening from draft to closed, and what staff may do to it where it stands. Knows no words: keys of
 * the catalogue follow from the names.
 */
import type { OpeningAdmin, OpeningState } from "@shared/api/staff";

export const STEPS = ["draft", "checked", "published", "armed", "live", "closed"] as const;
export type Step = (typeof STEPS)[number];

export interface TimelineStep {
  name: Step;
  at: "done" | "now" | "next" | "later";
}

export const ACTIONS = ["check", "publish", "unpublish", "pause", "resume", "end"] as const;
export type Action = (typeof ACTIONS)[number];

/** A reason goes to the log; it is asked for where buyers are in the middle of something. */
export const NEEDS_REASON: readonly Action[] = ["pause", "end"];
/** Not undone by another press. */
export const DRASTIC: readonly Action[] = ["unpublish", "pause", "end"];

/** `archived` and `disabled` come after closed and have no step of their own. */
export function stepOf(state: OpeningState): Step {
  return (STEPS as readonly string[]).includes(state) ? (state as Step) : "closed";
}

export function timeline(state: OpeningState): TimelineStep[] {
  const now = STEPS.indexOf(stepOf(state));
  return STEPS.map((name, i) => ({
    name,
    at: i < now ? "done" : i === now ? "now" : i === now + 1 ? "next" : "later",
  }));
}

export function actionsFor(opening: Pick<OpeningAdmin, "state" | "paused">): Action[] {
  switch (opening.state) {
    case "draft":
      return ["check"];
    case "checked":
      return ["publish"];
    case "published":
    case "armed":
      return ["unpublish"];
    case "live":
      return opening.paused ? ["resume", "end"] : ["pause", "end"];
    default:
      return [];
  }
}

/** Before publication the spreadsheets and the form may still change. */
export function editable(state: OpeningState): boolean {
  return state === "draft" || state === "checked";
}

/** The state by the server's clock, so that the page turns with the clock and not with the next request. */
export function stateAt(opening: Pick<OpeningAdmin, "state" | "start_ms" | "end_ms">, now_ms: number): OpeningState {
  const { state, start_ms, end_ms } = opening;
  if (state !== "published" && state !== "armed" && state !== "live") return state;
  if (now_ms >= end_ms) return "closed";
  return now_ms >= start_ms ? "live" : state;
}
