import { describe, expect, it } from "vitest";
import { DWELL_MS_MAX, DWELL_MS_MIN, Rotation } from "./rotation";

const blocks = ["1#", "2#", "3#"];

describe("the building that stands large", () => {
  it("is the first, then each in turn while nothing happens", () => {
    const rotation = new Rotation();
    const seen = [0, 1, 2, 3].map((round) => rotation.pick(blocks, round * DWELL_MS_MAX));
    expect(seen).toEqual(["1#", "2#", "3#", "1#"]);
  });

  it("follows the turns, but lets people read first", () => {
    const rotation = new Rotation();
    rotation.pick(blocks, 0);
    rotation.turned("3#", 1000);
    rotation.turned("3#", 1100);
    rotation.turned("2#", 1200);
    expect(rotation.pick(blocks, DWELL_MS_MIN - 1)).toBe("1#");
    expect(rotation.pick(blocks, DWELL_MS_MIN)).toBe("3#");
  });

  it("forgets old turns, and a busy building does not keep the screen", () => {
    const rotation = new Rotation();
    rotation.pick(blocks, 0);
    rotation.turned("3#", 0);
    expect(rotation.pick(blocks, DWELL_MS_MAX)).toBe("2#");
    for (let at = DWELL_MS_MAX; at < 2 * DWELL_MS_MAX; at += 100) rotation.turned("2#", at);
    expect(rotation.pick(blocks, 2 * DWELL_MS_MAX - 1)).toBe("2#");
    expect(rotation.pick(blocks, 2 * DWELL_MS_MAX)).toBe("3#");
  });

  it("starts over when the catalogue changed under it, and shows nothing for nothing", () => {
    const rotation = new Rotation();
    rotation.pick(blocks, 0);
    expect(rotation.pick(["A"], 10)).toBe("A");
    expect(rotation.pick([], 20)).toBeUndefined();
  });
});
