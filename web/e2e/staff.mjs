// Who works here and what they did: the log that can not be changed unseen.
import { axeFaults, overflow, PHONE } from "./lib/browser.mjs";
import { Mouse } from "./lib/console.mjs";
import { Office } from "./lib/office.mjs";
import { DESK, Pages } from "./lib/pages.mjs";
import { Server } from "./lib/server.mjs";
import { Journey, check, equal } from "./lib/steps.mjs";

export async function run(browser) {
  const j = new Journey("staff");
  const server = await Server.start();
  const pages = new Pages(browser, j);
  try {
    const office = await Office.open(server);
    await office.publish({ startsInMs: 7_200_000 });
    const desk = new Mouse(await pages.open("desk", DESK), server);
    const { page } = desk;
    await desk.signIn();

    /** As it looks to somebody with a phone, and with the other language. */
    const everywhere = async (name) => {
      await page.mouse.move(0, 0);
      equal(await axeFaults(page), [], "faults of accessibility");
      await j.picture("desk", name, { fullPage: true });
      await page.setViewportSize(PHONE);
      equal(await overflow(page), 0, "pixels that the page is too wide");
      equal(await axeFaults(page), [], "faults of accessibility on a phone");
      await j.picture("desk", `${name}-390`, { fullPage: true });
      await page.setViewportSize(DESK.viewport);
    };
    const language = async () => page.click(".nav footer button[lang]");

    await j.step("CO-6", "the log says up to which row its chain was checked, in both languages", async () => {
      await desk.go("log");
      const sound = page.locator("[data-testid=chain-sound]");
      await sound.waitFor();
      const rows = Number(/第 (\d+) 行/.exec(await sound.innerText())[1]);
      check(rows >= 8, `${rows} rows`);
      await page.click(".chain summary");
      const known = await page.locator(".chain code").innerText();
      check(/^\d+:[0-9a-f]{64}$/.test(known), known);
      await everywhere("log");
      await language();
      await page.waitForSelector("text=/Chain verified to row \\d+: nothing was changed/");
      await language();
      // What the page shows is what an auditor gives to the command.
      check(/is sound up to row/.test(server.run("", "audit", "check", "--known", known)), "kaipan audit check");
    });

    pages.checkFaults();
  } finally {
    await pages.close();
    await server.stop();
  }
}
