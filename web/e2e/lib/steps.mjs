// A journey is a list of steps; each names the capabilities it shows. The first one that fails ends the journey with
// a picture of every page that is open.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const output = fileURLToPath(new URL("../output/", import.meta.url));

/** Steps of all journeys that came to their end. */
export const counted = { passed: 0 };

export class Journey {
  constructor(name) {
    this.name = name;
    this.pages = new Map();
    this.pictures = 0;
    mkdirSync(output, { recursive: true });
    console.log(`\n${name}`);
  }

  /** Pages that a failure, and `picture`, photograph. */
  watch(who, page) {
    this.pages.set(who, page);
    return page;
  }

  async step(ids, name, run) {
    const from = Date.now();
    try {
      const shown = await run();
      counted.passed++;
      const took = `${((Date.now() - from) / 1000).toFixed(1)} s`;
      console.log(`  ok   ${name}  [${ids}]  ${took}${shown === undefined ? "" : `  ${shown}`}`);
    } catch (error) {
      console.log(`  FAIL ${name}  [${ids}]`);
      for (const [who, page] of this.pages) {
        await page.screenshot({ path: join(output, `FAIL-${this.name}-${who}.png`) }).catch(() => {});
      }
      throw error;
    }
  }

  /** A picture for people to look at, numbered in the order of the journey. */
  async picture(who, name, options = {}) {
    const number = String(++this.pictures).padStart(2, "0");
    await this.pages.get(who).screenshot({ path: join(output, `${this.name}-${number}-${name}.png`), ...options });
  }
}

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

export function equal(actual, expected, what) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  check(a === b, `${what}: expected ${b}, found ${a}`);
}

/** Polls until `probe` gives something truthy; says what it last gave when it never does. */
export async function until(what, probe, withinMs = 10_000) {
  const deadline = Date.now() + withinMs;
  let last;
  for (;;) {
    last = await probe();
    if (last) return last;
    if (Date.now() > deadline) throw new Error(`${what} did not come within ${withinMs} ms (last: ${JSON.stringify(last)})`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}
