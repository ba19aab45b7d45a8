// A buyer in WeChat: scans, reads, signs in, proves the phone once, picks; and each way in which that goes wrong.
import { Thumb } from "./lib/buyer.mjs";
import { axeFaults, overflow } from "./lib/browser.mjs";
import { Office } from "./lib/office.mjs";
import { Pages } from "./lib/pages.mjs";
import { Server } from "./lib/server.mjs";
import { people } from "./lib/sheets.mjs";
import { Journey, check, equal } from "./lib/steps.mjs";
import { AGENT, WeChat } from "./lib/wechat.mjs";

const LEAD_MS = Number(process.env.KAIPAN_E2E_LEAD_S || 45) * 1000;
const PHONE = { userAgent: AGENT };
const list = people(11);

export async function run(browser) {
  const j = new Journey("wechat");
  const wechat = await WeChat.start();
  const server = await Server.start({ settings: wechat.settings });
  const pages = new Pages(browser, j);
  try {
    const office = await Office.open(server);
    const { id } = await office.publish({ startsInMs: LEAD_MS });
    const buyer = async (who, options = PHONE) => new Thumb(await pages.open(who, options), server, id, office);
    const all = { buyer, wechat, office, server, id };
    const first = await firstTime(j, all);
    await again(j, all);
    await wrong(j, all);
    await pick(j, first);
    pages.checkFaults();
  } finally {
    await pages.close();
    await server.stop();
    wechat.stop();
  }
}

const signIn = (page) => page.click("header button:has-text('登录')");
const fault = (page) => page.locator(".sheet [role=alert]").innerText();

async function firstTime(j, { buyer, wechat, office, id, server }) {
  const a = await buyer("a");
  const { page } = a;
  await j.step("OP-2 OP-90", "a link opened in WeChat is read without signing in, and asks for nothing", async () => {
    await a.openPage();
    check((await page.locator(".cell").count()) > 100, "the first building's units");
    equal(new URL(page.url()).origin, server.buyers, "still here");
    equal(await page.locator(".sheet").count(), 0, "no sheet");
  });
  await j.step("OP-2", "the sign-in offers WeChat first, and a code beside it", async () => {
    await signIn(page);
    await page.waitForSelector("[data-testid=by-wechat]");
    equal(await page.locator("#phone").count(), 1, "the phone's field");
    equal(await axeFaults(page), [], "axe");
    equal(await overflow(page), 0, "wider than the screen by");
    await j.picture("a", "offer");
  });
  await j.step("OP-2", "who refuses is told so, and may go on with a code", async () => {
    await page.click("[data-testid=by-wechat]");
    await page.waitForSelector("h1:has-text('选择微信用户')");
    await j.picture("a", "wechat-asks");
    await wechat.decide(page, "林晓", "refuse");
    await page.waitForSelector(".sheet [role=alert]");
    check(/没有授权/.test(await fault(page)), await fault(page));
    equal(new URL(page.url()).search, "", "the address says nothing of it");
    await j.picture("a", "refused");
  });
  await j.step("OP-2", "who agrees proves the phone of the registration once, and is bound", async () => {
    await page.click("[data-testid=by-wechat]");
    await wechat.decide(page, "林晓", "allow");
    await page.waitForSelector(".sheet .note:has-text('第一次在这里登录')");
    equal(await axeFaults(page), [], "axe");
    await j.picture("a", "bind");
    await page.fill("#phone", list[2].phone);
    const before = Date.now() - 1000;
    await page.click(".sheet .pair .soft");
    await page.fill("#code", await office.code(id, list[2].phone, before));
    await page.click(".sheet button[type=submit]");
    await page.waitForSelector(".sheet", { state: "detached" });
    await page.waitForSelector(".notice:has-text('已绑定微信')");
    await j.picture("a", "bound");
  });
  return a;
}

async function again(j, { buyer, wechat, office, id }) {
  await j.step("OP-2", "from now on WeChat alone signs in, on another phone too", async () => {
    const b = await buyer("b");
    await b.openPage();
    await signIn(b.page);
    await b.page.click("[data-testid=by-wechat]");
    await wechat.decide(b.page, "林晓", "allow");
    await b.page.waitForSelector(".who:has-text('李')");
    equal(await b.page.locator(".sheet").count(), 0, "no sheet");
    await b.page.reload();
    await b.page.waitForSelector(".who:has-text('李')");
  });
  await j.step("OP-25", "a phone with two registrations is asked which, by the code and by WeChat", async () => {
    const c = await buyer("c");
    const { page } = c;
    await c.openPage();
    await signIn(page);
    await page.click("[data-testid=by-wechat]");
    await wechat.decide(page, "陈默", "allow");
    await page.waitForSelector(".sheet .note:has-text('第一次在这里登录')");
    await page.fill("#phone", list[0].phone);
    const before = Date.now() - 1000;
    await page.click(".sheet .pair .soft");
    await page.fill("#code", await office.code(id, list[0].phone, before));
    await page.click(".sheet button[type=submit]");
    await page.click(`.choice:has-text('${list[1].code}')`);
    await page.waitForSelector(".notice:has-text('已绑定微信')");

    const d = await buyer("d");
    await d.openPage();
    await signIn(d.page);
    await d.page.click("[data-testid=by-wechat]");
    await wechat.decide(d.page, "陈默", "allow");
    await d.page.waitForSelector(`.choice:has-text('${list[0].code}')`);
    await j.picture("d", "choose");
    await d.page.click(`.choice:has-text('${list[0].code}')`);
    await d.page.waitForSelector(".sheet", { state: "detached" });
  });
}

async function wrong(j, { buyer, wechat, office, id }) {
  await j.step("OP-90", "a snapshot page is read; its sign-in says what to tap, and signs nobody in", async () => {
    const e = await buyer("e");
    await e.openPage();
    await signIn(e.page);
    await e.page.click("[data-testid=by-wechat]");
    await wechat.decide(e.page, "快照页访客", "allow");
    await e.page.waitForSelector(".sheet [role=alert]");
    check(/使用完整服务/.test(await fault(e.page)), await fault(e.page));
    equal(await e.page.locator("#phone, [data-testid=by-wechat]").count(), 0, "nothing to sign in with");
    await j.picture("e", "snapshot");
    await e.page.click(".sheet .head button");
    check((await e.page.locator(".cell").count()) > 100, "the board is there to be read");
  });
  await j.step("OP-2", "while WeChat is down the page says so, and a code signs in", async () => {
    const f = await buyer("f");
    const { page } = f;
    await f.openPage();
    await wechat.order({ status: 500 });
    await signIn(page);
    await page.click("[data-testid=by-wechat]");
    await wechat.decide(page, "吴桐", "allow");
    await page.waitForSelector(".sheet [role=alert]");
    check(/微信暂时没有回应/.test(await fault(page)), await fault(page));
    await j.picture("f", "down");
    await page.fill("#phone", list[4].phone);
    const before = Date.now() - 1000;
    await page.click(".sheet .pair .soft");
    await page.fill("#code", await office.code(id, list[4].phone, before));
    await page.click(".sheet button[type=submit]");
    await page.waitForSelector(".sheet", { state: "detached" });
  });
  await j.step("OP-25", "outside of WeChat the page offers a code alone", async () => {
    const g = await buyer("g", {});
    await g.openPage();
    await signIn(g.page);
    await g.page.waitForSelector("#phone");
    equal(await g.page.locator("[data-testid=by-wechat]").count(), 0, "no WeChat");
  });
}

async function pick(j, a) {
  await j.step("OP-2", "who signed in by WeChat picks with one tap at the start", async () => {
    await a.addFavourite("1#", "1001");
    await a.barSays(/^选 1#-1001（第 1 意向）$/m, LEAD_MS + 20_000);
    await a.button().click();
    await a.barSays(/抢到了！1#-1001/, 10_000);
    await j.picture("a", "picked");
  });
}
