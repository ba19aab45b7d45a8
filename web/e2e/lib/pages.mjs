// The devices of one journey: each is opened by name and photographed when a step fails. In the end no script may have
// failed on any of them, and all are closed.
import { device } from "./browser.mjs";
import { equal } from "./steps.mjs";

/** A computer in the sales office. */
export const DESK = { viewport: { width: 1280, height: 860 }, deviceScaleFactor: 1, timezoneId: "Asia/Shanghai" };

export class Pages {
  constructor(browser, journey) {
    Object.assign(this, { browser, journey, opened: [] });
  }

  async open(who, options) {
    const page = await device(this.browser, options);
    this.opened.push(page);
    return this.journey.watch(who, page);
  }

  checkFaults() {
    for (const page of this.opened) equal(page.faults, [], "errors of the pages' scripts");
  }

  async close() {
    for (const page of this.opened) await page.context().close();
  }
}
