// What staff do with a mouse in the console. Everything goes through the page itself.
import { PASSWORD } from "./server.mjs";
import { until } from "./steps.mjs";

export class Mouse {
  constructor(page, server) {
    Object.assign(this, { page, server });
  }

  async signIn(login = "admin") {
    const { page } = this;
    await page.goto(`${this.server.staff}/`);
    await page.fill("#login", login);
    await page.fill("#password", PASSWORD);
    await page.click("[data-testid=sign-in]");
    await page.waitForSelector("[data-testid=sign-out]");
  }

  /** A page of the console by its address behind `#`. */
  async go(path) {
    await this.page.goto(`${this.server.staff}/#/${path}`);
  }

  /** Chooses a file, waits for the trial's report and takes the good rows. Gives the trial's words. */
  async importSheet(sheet, file) {
    const { page } = this;
    const panel = page.locator(`[data-testid=import-${sheet}]`);
    await panel.locator("input[type=file]").setInputFiles(file);
    await panel.locator("[data-testid=take-good-rows]").waitFor({ timeout: 60_000 });
    const tried = await panel.locator("[data-testid=import-report]").innerText();
    await panel.locator("[data-testid=take-good-rows]").click();
    await panel.locator("[data-testid=take-good-rows]").waitFor({ state: "detached", timeout: 60_000 });
    return tried;
  }

  /** Presses an action of the opening and confirms it, with a reason where one is asked for. */
  async act(action, reason) {
    const { page } = this;
    await page.click(`[data-testid=action-${action}]`);
    if (reason) await page.fill("[data-testid=reason-dialog] #reason", reason);
    await page.click("[data-testid=reason-confirm]");
    await page.waitForSelector("[data-testid=reason-dialog]", { state: "hidden" });
  }

  async text() {
    return this.page.locator("#content").innerText();
  }

  async says(pattern, withinMs) {
    return until(`the console saying ${pattern}`, async () => {
      const text = await this.text();
      return pattern.test(text) && text;
    }, withinMs);
  }
}

/** What `<input type="datetime-local">` takes, in the project's zone. */
export function shanghai(ms) {
  return new Date(ms + 8 * 3_600_000).toISOString().slice(0, 19);
}
