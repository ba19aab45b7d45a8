// How the buyer's page stands up to real phones: small and large, turned, with large text, in English, with long names,
// with ten buildings of sixty floors.
import { Thumb } from "./lib/buyer.mjs";
import { PHONE, axeFaults, overflow } from "./lib/browser.mjs";
import { Office } from "./lib/office.mjs";
import { Pages } from "./lib/pages.mjs";
import { Server } from "./lib/server.mjs";
import { Journey, check, equal } from "./lib/steps.mjs";

const LONG = "云栖里花园国际生态社区·湖畔壹号院及其配套商业综合体（二期）";

/** Ten buildings of sixty floors, sixteen homes a floor in two sections. */
function tallPriceList() {
  const rows = ["幢号,单元,室号,楼层,户型,朝向,建筑面积(㎡),套内建筑面积(㎡),单价(元/㎡),总价(元),备注"];
  for (let building = 1; building <= 10; building++) {
    for (let floor = 1; floor <= 60; floor++) {
      for (let n = 0; n < 16; n++) {
        const room = `${floor}${String((n % 8) + 1).padStart(2, "0")}`;
        rows.push(`${building}#,${n < 8 ? 1 : 2}单元,${room},${floor},3室2厅2卫,南,100.00,80.00,20000,2000000,`);
      }
    }
  }
  return Buffer.from("\ufeff" + rows.join("\r\n"), "utf8");
}

export async function run(browser) {
  const j = new Journey("looks");
  const server = await Server.start();
  const pages = new Pages(browser, j);
  try {
    const office = await Office.open(server);
    const { id } = await office.publish({ startsInMs: 3_600_000, project: LONG, name: "一期首次开盘暨车位商铺同步选购专场" });
    const open = async (who, options, query) => {
      const thumb = new Thumb(await pages.open(who, options), server, id, office);
      await thumb.openPage(query);
      return thumb;
    };
    const fits = async (thumb, who, picture) => {
      equal(await overflow(thumb.page), 0, "sideways scroll");
      equal(await axeFaults(thumb.page), [], "axe");
      await j.picture(who, picture);
    };
    for (const width of [360, 430]) {
      await j.step("OP-41", `fits ${width} px, with long names`, async () => {
        const thumb = await open(`w${width}`, { viewport: { width, height: 780 } });
        await thumb.openUnit("1#", "1001");
        await fits(thumb, `w${width}`, `${width}px`);
      });
    }
    await j.step("OP-41", "fits a phone turned on its side: board and button are both in sight", async () => {
      const thumb = await open("turned", { viewport: { width: 800, height: 360 } });
      await thumb.openUnit("1#", "1001");
      const button = await thumb.button().boundingBox();
      check(button.y + button.height <= 360, "the button is in sight");
      await fits(thumb, "turned", "landscape");
    });
    await j.step("OP-95", "fits text twice as large, in English", async () => {
      const thumb = await open("large", { viewport: PHONE }, "?lang=en");
      await thumb.page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
      await thumb.page.click("[role=tab] >> nth=0");
      await thumb.page.locator(".cell").first().click();
      const button = await thumb.button().boundingBox();
      check(button.y + button.height <= PHONE.height + 1, "the button is in sight");
      await fits(thumb, "large", "200-percent");
    });
    await j.step("OP-41", "the keyboard reaches a unit, walks the house and opens the card", async () => {
      const { page } = await open("keys", {});
      await page.locator(".cell[tabindex='0']").focus();
      const first = await page.evaluate(() => document.activeElement.dataset.unit);
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowRight");
      const second = await page.evaluate(() => document.activeElement.dataset.unit);
      check(first !== second && second !== undefined, "the focus moved to another unit");
      await page.keyboard.press("Enter");
      await page.waitForSelector(".card");
      equal(await page.locator(".cell.open").getAttribute("data-unit"), second, "the opened unit");
    });
    await j.step("OP-41", "motion is off where the reader asked for it", async () => {
      const thumb = await open("calm", { reducedMotion: "reduce" });
      const cell = thumb.page.locator(".cell").first();
      equal(await cell.evaluate((e) => getComputedStyle(e).transitionDuration), "0s", "transition");
    });
    await j.step("OP-41", "pages without an opening say what happened and what comes next", async () => {
      const page = await pages.open("missing");
      await page.goto(`${server.buyers}/o/01ARZ3NDEKTSV4RRFFQ69G5FAV`);
      await page.waitForSelector("text=没有找到这场开盘");
      equal(await axeFaults(page), [], "axe");
      await j.picture("missing", "missing");
    });
    await tall(j, { server, office, pages });
    pages.checkFaults();
  } finally {
    await pages.close();
    await server.stop();
  }
}

async function tall(j, { server, office, pages }) {
  const { id } = await office.publish({ startsInMs: 3_600_000, project: "高层", priceList: tallPriceList() });
  await j.step("OP-41", "ten buildings of sixty floors: only one is in the document, and turning to another is quick", async () => {
    const page = await pages.open("tall");
    const thumb = new Thumb(page, server, id, office);
    await thumb.openPage();
    await page.waitForFunction(() => document.querySelectorAll(".row").length === 60);
    equal(await page.locator(".cell").count(), 960, "cells of one building");
    const took = await page.evaluate(async () => {
      const from = performance.now();
      document.querySelectorAll("[role=tab]")[5].click();
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      return performance.now() - from;
    });
    check(took < 1000, `turning took ${took} ms`);
    equal(await overflow(page), 0, "sideways scroll");
    await j.picture("tall", "tall");
    return `${Math.round(took)} ms`;
  });
  await j.step("OP-41", "/ lists the openings when there are several", async () => {
    const page = await pages.open("list");
    await page.goto(`${server.buyers}/`);
    await page.waitForSelector(".item >> nth=1");
    equal(await axeFaults(page), [], "axe");
    await j.picture("list", "list");
  });
}
