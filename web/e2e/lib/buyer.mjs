// What a buyer does with a thumb on the buyer's page. Everything goes through the page itself.
import { until } from "./steps.mjs";

export class Thumb {
  constructor(page, server, opening, office, door = server.buyers) {
    Object.assign(this, { page, server, opening, office, door });
  }

  async openPage(query = "") {
    await this.page.goto(`${this.door}/o/${this.opening}${query}`);
    await this.page.waitForSelector(".cell");
  }

  /** Signs in by phone and code; `choose` names the registration when the phone has several. */
  async signIn(phone, choose) {
    const { page } = this;
    await page.click("header button:has-text('登录')");
    await page.fill("#phone", phone);
    const before = Date.now() - 1000;
    await page.click(".sheet .pair .soft");
    await page.fill("#code", await this.office.code(this.opening, phone, before));
    await page.click(".sheet .go");
    if (choose) await page.click(`.choice:has-text('${choose}')`);
    await page.waitForSelector(".sheet", { state: "detached" });
  }

  /** Opens the card of a unit, in whichever building it is. */
  async openUnit(building, room) {
    const { page } = this;
    await page.click(`[role=tab]:has-text('${building}')`);
    await page.click(`.cell:has(b:text-is('${room}'))`);
    await page.waitForSelector(".card");
  }

  async addFavourite(building, room) {
    await this.openUnit(building, room);
    await this.page.click(".card .fav");
    await this.page.click(".card button[aria-label='收起']");
  }

  button() {
    return this.page.locator(".bar .go").last();
  }

  /** The bottom bar's words, whatever it is now. */
  bar() {
    return this.page.locator(".bar").innerText();
  }

  async barSays(pattern, withinMs) {
    return until(`the bar saying ${pattern}`, async () => {
      const text = await this.bar();
      return pattern.test(text) && text;
    }, withinMs);
  }

  async state(room) {
    const classes = await this.page.locator(`.cell:has(b:text-is('${room}'))`).first().getAttribute("class");
    return /st-(\w+)/.exec(classes)[1];
  }
}
