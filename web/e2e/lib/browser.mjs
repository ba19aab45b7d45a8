// Debian's Chromium, driven by playwright-core. Pages get no network but the loopback server.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const PHONE = { width: 390, height: 844 };

function browserPath() {
  const places = ["chromium", "chromium-browser", "google-chrome"].map((name) => `/usr/bin/${name}`);
  const found = process.env.KAIPAN_CHROMIUM || places.find((path) => existsSync(path));
  if (!found) throw new Error("no Chromium found: install Debian's chromium, or set KAIPAN_CHROMIUM");
  return found;
}

export function launch() {
  return chromium.launch({
    executablePath: browserPath(),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A device of its own: its own cookies, storage and sockets. Errors of its scripts end the journey. */
export async function device(browser, options = {}) {
  const context = await browser.newContext({ viewport: PHONE, deviceScaleFactor: 2, locale: "zh-CN", timezoneId: "America/New_York", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.message));
  return page;
}

/** Every fault that axe can see by itself, as one line each. */
export async function axeFaults(page) {
  // A sheet that is still rising is half transparent: not what anyone reads.
  await page.waitForTimeout(300);
  await page.evaluate(axeSource);
  const found = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"] }),
  );
  return found.violations.map((v) => `${v.id}: ${v.help} (${v.nodes.length}×, first ${v.nodes[0].html.slice(0, 140)})`);
}

/** How far the page is wider than the screen. */
export function overflow(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
