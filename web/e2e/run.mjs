// The browser suite: real binary, real Chromium, the pages as people use them. `npm run e2e [journey…]`
// Pictures go to web/e2e/output/. KAIPAN_BIN names another binary, KAIPAN_CHROMIUM another browser.
import { launch } from "./lib/browser.mjs";
import { counted } from "./lib/steps.mjs";

const JOURNEYS = ["opening", "trouble", "looks", "ops", "staff", "wechat"];
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !JOURNEYS.includes(name));
if (unknown.length > 0) {
  console.error(`no journey ${unknown.join(", ")}; there are: ${JOURNEYS.join(", ")}`);
  process.exit(2);
}

const browser = await launch();
let failed = 0;
for (const name of wanted.length > 0 ? wanted : JOURNEYS) {
  const { run } = await import(`./${name}.mjs`);
  try {
    await run(browser);
  } catch (error) {
    failed++;
    console.error(`\n${name}: ${error.stack || error}\n`);
  }
}
await browser.close();
// The line that scripts/counts.awk reads: steps that passed, journeys that broke off.
console.log(`\n${counted.passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
