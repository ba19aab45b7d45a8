// The evening before: ops look at the server, rehearse the opening with a small simulated crowd from the console, and
// read the report. The load tool is the real one, beside the server.
import { axeFaults, overflow, PHONE } from "./lib/browser.mjs";
import { Mouse } from "./lib/console.mjs";
import { Office } from "./lib/office.mjs";
import { DESK, Pages } from "./lib/pages.mjs";
import { Server } from "./lib/server.mjs";
import { Journey, check, equal, until } from "./lib/steps.mjs";

const BUYERS = 40;

export async function run(browser) {
  const j = new Journey("ops");
  const server = await Server.start();
  const pages = new Pages(browser, j);
  try {
    const office = await Office.open(server);
    const { id } = await office.publish({ startsInMs: 7_200_000 });
    await office.call("POST", "/staff", { login: "auditor", name: "审计", role: "auditor", password: "correct-horse-battery-staple" });
    const desk = new Mouse(await pages.open("desk", DESK), server);
    const { page } = desk;
    await desk.signIn();

    await j.step("OP-94", "the page shows what this server is and how it fares", async () => {
      await desk.go("ops");
      const figures = page.locator("[data-testid=server-figures]");
      await figures.waitFor();
      await desk.says(/内置 SQLite/);
      const text = await until("two looks at the processor", async () => {
        const now = await figures.innerText();
        return /\d\.\d \/ \d+ 核/.test(now) && now;
      });
      check(/\d+ MB/.test(text), `memory in ${text}`);
      await desk.says(/一期首次开盘/);
      await desk.says(/还没有演练过/);
    });

    await j.step("OP-85", "what every gateway says of itself stands first, and keeps up with it", async () => {
      await page.locator("[data-testid=all-well]").waitFor();
      const gateways = page.locator("[data-testid=gateways] tbody tr");
      equal(await gateways.count(), 1, "gateways");
      const before = await gateways.first().innerText();
      check(/就绪/.test(before) && before.includes(`127.0.0.1:${server.buyersPort}`), before);
      check(/一期首次开盘/.test(await page.locator("[data-testid=openings-at]").innerText()), "the opening at the gateway");
      await until("another look", async () => (await gateways.first().innerText()) !== before);
    });

    await j.step("OP-85", "a killed server is seen by its silence, and what that means is said", async () => {
      // What it said is in its database, so the one that comes after it knows; under its own name it would take its place.
      await server.kill();
      await server.serve({ KAIPAN_GATEWAY_NAME: "the-next" });
      await desk.go("ops");
      const silent = page.locator("[data-code=GATEWAY_SILENT]");
      await silent.waitFor({ timeout: 30_000 });
      check(/已经答复的结果不会丢失/.test(await silent.innerText()), await silent.innerText());
      const rows = await page.locator("[data-testid=gateways] tbody tr").allInnerTexts();
      equal(rows.length, 2, "gateways");
      check(rows.some((row) => /失联/.test(row)) && rows.some((row) => /the-next/.test(row) && /就绪/.test(row)), rows.join());
      await j.picture("desk", "silent", { fullPage: true });
    });

    await j.step("OP-38 OP-94", "the form says what it will do before it does it", async () => {
      await page.selectOption("#load-start", "15");
      await page.fill("#load-buyers", "10001");
      await page.click("[data-testid=start-load]");
      await page.locator("#load-buyers-fault").waitFor();
      await page.fill("#load-buyers", String(BUYERS));
      // A build for debugging on a busy machine: what is shown here is the way, not the speed.
      await page.fill("#load-p99", "20000");
      const says = await page.locator("[data-testid=load-says]").innerText();
      check(says.includes(`生成 ${BUYERS} 位模拟买家`) && says.includes("不会给任何人发消息"), says);
      // Away from the button: a colour under the pointer is not what anyone reads.
      await page.mouse.move(0, 0);
      equal(await axeFaults(page), [], "faults of accessibility");
      await j.picture("desk", "form", { fullPage: true });
    });

    const phone = new Mouse(await pages.open("phone", DESK), server);
    await phone.signIn("auditor");
    // Signed in, the menu is folded away on a phone.
    await phone.page.setViewportSize(PHONE);
    await j.step("OP-94", "who may not rehearse may look, on a phone too", async () => {
      await phone.go("ops");
      await phone.says(/需要“演练”权限/);
      equal(await phone.page.locator("[data-testid=start-load]").count(), 0, "buttons to start");
      equal(await overflow(phone.page), 0, "pixels that the page is too wide");
      equal(await axeFaults(phone.page), [], "faults of accessibility");
    });

    await j.step("OP-38", "a rehearsal runs, and everybody sees that it is one", async () => {
      await page.click("[data-testid=start-load]");
      await page.locator("[data-testid=load-now]").waitFor({ timeout: 30_000 });
      await until("everybody connected", async () => {
        const text = await page.locator("[data-testid=load-now]").innerText().catch(() => "");
        return text.includes(`${BUYERS} / ${BUYERS}`);
      }, 60_000);
      await j.picture("desk", "running", { fullPage: true });
      await phone.says(/正在演练/);
      await j.picture("phone", "running", { fullPage: true });
      const { runs } = await office.call("GET", "/load-runs");
      const buyer = await pages.open("buyer", { viewport: PHONE });
      await buyer.goto(`${server.buyers}/o/${runs[0].rehearsal}`);
      await until("the mark on the buyer's page", async () => (await buyer.locator(".sim").allInnerTexts()).includes("演练"));
      await j.picture("buyer", "marked");
      const openings = await (await fetch(`${server.buyers}/api/v1/openings`)).json();
      equal(openings.openings.map((one) => one.id), [id], "openings that buyers find");
    });

    await j.step("OP-38 OP-94", "the verdict comes, and the report opens as a page of its own", async () => {
      await page.locator("[data-testid=open-report]").waitFor({ timeout: 120_000 });
      const { runs } = await office.call("GET", "/load-runs");
      equal([runs[0].state, runs[0].buyers, runs[0].reasons], ["done", BUYERS, []], "the run");
      await page.locator("[data-testid=verdict-pass]").waitFor();
      await j.picture("desk", "verdict", { fullPage: true });
      await phone.page.locator("[data-testid=verdict-pass]").waitFor();
      await j.picture("phone", "verdict", { fullPage: true });
      equal(await overflow(phone.page), 0, "pixels that the page is too wide");
      const [report] = await Promise.all([page.waitForEvent("popup"), page.click("[data-testid=open-report]")]);
      j.watch("report", report);
      await report.waitForLoadState();
      const text = await report.locator("body").innerText();
      check(text.includes("通过") && text.includes(runs[0].rehearsal), text.slice(0, 400));
      await j.picture("report", "report");
      const json = await office.call("GET", `/load-runs/${runs[0].run}/report.json`);
      equal([json.schema, json.verdict, json.audit.clean], ["kaipan.load-report/1", "pass", true], "the report");
      equal(json.audit.taps, BUYERS, "taps that were audited");
      // The copy is put away, and nothing of the sale was touched.
      const openings = (await office.call("GET", "/openings")).openings.map((one) => one.id);
      equal(openings, [id], "openings that are there");
      const { journal } = await office.call("GET", `/openings/${id}/truth`);
      equal(journal.length, 1, "entries in the sale's journal: its publication");
    });

    pages.checkFaults();
  } finally {
    await pages.close();
    await server.stop();
  }
}
