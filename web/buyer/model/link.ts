// How good the line is, for the dot in the corner. Four grades, each with its own words and shape.
export type Quality = "good" | "fair" | "http" | "offline";

export interface LinkFacts {
  socketOpen: boolean;
  roundTripMs: number | null;
  /** The browser's own word, and whether the last request over HTTP got through. */
  online: boolean;
  httpWorks: boolean;
}

const GOOD_MS = 400;

export function quality(facts: LinkFacts): Quality {
  if (facts.socketOpen) return facts.roundTripMs === null || facts.roundTripMs <= GOOD_MS ? "good" : "fair";
  return facts.online && facts.httpWorks ? "http" : "offline";
}
