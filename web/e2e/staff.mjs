// Who works here, where they are signed in and what they did: the log that can not be changed unseen, sessions that end, the
// second factor.
import { axeFaults, overflow, PHONE } from "./lib/browser.mjs";
import { Authenticator } from "./lib/authenticator.mjs";
import { Mouse } from "./lib/console.mjs";
import { Office } from "./lib/office.mjs";
import { DESK, Pages } from "./lib/pages.mjs";
import { PASSWORD, Server } from "./lib/server.mjs";
import { Journey, check, equal, until } from "./lib/steps.mjs";

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

    await j.step("CO-5", "one sees where one is signed in, and ends what is not theirs at once", async () => {
      const other = new Mouse(await pages.open("other", DESK), server);
      await other.signIn();
      await office.call("POST", "/session", { login: "admin", password: PASSWORD });
      await page.click("[data-testid=nav-account]");
      const list = page.locator("[data-testid=sessions] li");
      // The journey's program twice, the other desk, and this one.
      await until("four sessions", async () => (await list.count()) === 4);
      check(/Chrome \d+ · Linux/.test(await list.nth(1).innerText()), await list.nth(1).innerText());
      equal(await page.locator("[data-testid=sessions] >> text=这台设备").count(), 1, "sessions marked as this one");
      await everywhere("account");
      await language();
      await page.waitForSelector("text=Where you are signed in");
      await language();
      await list.nth(0).locator("[data-testid=end-session]").click();
      await until("three sessions", async () => (await list.count()) === 3);
      await page.click("[data-testid=end-others]");
      await until("one session", async () => (await list.count()) === 1);
      await other.go("staff");
      await other.page.waitForSelector("text=登录已失效");
      office.token = undefined;
      office.token = (await office.call("POST", "/session", { login: "admin", password: PASSWORD })).token;
    });

    await j.step("CO-5", "another password ends the others, and a wrong present one is said", async () => {
      const form = page.locator("[data-testid=own-password]");
      await page.fill("#own-current", "not the password");
      await page.fill("#own-new", "another long password");
      await form.locator("button[type=submit]").click();
      await form.locator("text=与账号的密码不符").waitFor();
      await page.fill("#own-current", PASSWORD);
      await form.locator("button[type=submit]").click();
      await page.waitForSelector("text=密码已修改");
      const gone = await fetch(`${server.staff}/api/v1/session`, { headers: { authorization: `Bearer ${office.token}` } });
      equal(gone.status, 401, "the program's session");
      await page.fill("#own-current", "another long password");
      await page.fill("#own-new", PASSWORD);
      await form.locator("button[type=submit]").click();
      await until("the old one again", async () => (await page.inputValue("#own-new")) === "");
      office.token = undefined;
      office.token = (await office.call("POST", "/session", { login: "admin", password: PASSWORD })).token;
    });

    await j.step("CO-5", "an admin ends everything of an account", async () => {
      await office.call("POST", "/staff", { login: "wang", name: "王经理", role: "manager", password: PASSWORD });
      const wang = new Mouse(await pages.open("wang", DESK), server);
      await wang.signIn("wang");
      await desk.go("staff");
      await page.locator("tr:has-text('王经理') [data-testid=staff-sessions]").click();
      await page.locator("[role=dialog] [data-testid=sessions] li").waitFor();
      // A colour under the pointer is not what anyone reads.
      await page.mouse.move(0, 0);
      equal(await axeFaults(page), [], "faults of accessibility");
      await j.picture("desk", "staff-sessions");
      await page.click("[data-testid=end-all]");
      await page.locator("[data-testid=end-all]").waitFor({ state: "hidden" });
      await wang.go("ops");
      await wang.page.waitForSelector("#password");
    });

    let phone;
    await j.step("CO-5", "a second factor is set up with the key for an app, and ten recovery codes", async () => {
      await page.click("[data-testid=nav-account]");
      await page.click("[data-testid=factor-set-up]");
      await page.fill("#factor-password", PASSWORD);
      await page.click("[data-testid=factor-begin] button[type=submit]");
      await page.locator("[data-testid=factor-confirm] svg.qr").waitFor();
      const key = (await page.locator("[data-testid=factor-key] code").innerText()).replace(/ /g, "");
      check(/^[A-Z2-7]{32}$/.test(key), `a key of twenty bytes: ${key.length}`);
      phone = new Authenticator(key);
      await everywhere("set-up");
      await page.fill("#factor-code", phone.wrong());
      await page.click("[data-testid=factor-confirm] button[type=submit]");
      await page.waitForSelector("text=动态码：不对，或者已经用过");
      await page.fill("#factor-code", phone.code(0));
      await page.click("[data-testid=factor-confirm] button[type=submit]");
      await page.locator("[data-testid=recovery-codes]").waitFor();
      phone.recovery = await page.locator(".recovery code").allInnerTexts();
      equal(phone.recovery.length, 10, "recovery codes");
      await everywhere("recovery-codes");
      await page.click("[data-testid=recovery-kept]");
      await page.waitForSelector("text=还剩 10 个恢复码");
    });

    await j.step("CO-5", "signing in asks for the code after the password, and takes each code once", async () => {
      const away = await pages.open("away", { viewport: PHONE, timezoneId: "Asia/Shanghai" });
      await away.goto(`${server.staff}/`);
      await away.fill("#login", "admin");
      await away.fill("#password", PASSWORD);
      await away.click("[data-testid=sign-in]");
      await away.waitForSelector("#code");
      equal(await overflow(away), 0, "pixels that the page is too wide");
      equal(await axeFaults(away), [], "faults of accessibility");
      await j.picture("away", "code-390");
      // The code that confirmed it is used up.
      await away.fill("#code", phone.code(0));
      await away.click("[data-testid=sign-in]");
      await away.waitForSelector("text=动态码不对，或者已经用过");
      await away.fill("#code", phone.code(1));
      await away.click("[data-testid=sign-in]");
      await away.waitForSelector("[data-testid=sign-out]", { state: "attached" });
      await away.evaluate(() => fetch("/api/v1/session", { method: "DELETE" }));
      await away.reload();
      await away.fill("#login", "admin");
      await away.fill("#password", PASSWORD);
      await away.click("[data-testid=sign-in]");
      await away.fill("#code", phone.recovery[0]);
      await away.click("[data-testid=sign-in]");
      await away.waitForSelector("[data-testid=sign-out]", { state: "attached" });
      await page.reload();
      await page.waitForSelector("text=还剩 9 个恢复码");
    });

    await j.step("CO-5", "required of everybody, it is set up before anything else is seen; lost, an admin resets it", async () => {
      const wang = new Mouse(await pages.open("required", DESK), server);
      await wang.signIn("wang");
      await wang.go("ops");
      await desk.go("staff");
      await page.click("[data-testid=factor-rule-change]");
      await page.fill("[data-testid=reason-dialog] #reason", "公司制度");
      await page.click("[data-testid=reason-confirm]");
      await page.waitForSelector("text=所有员工必须开启");
      // A page that was open meets the rule with its next question.
      await wang.page.locator("[data-testid=must-enrol]").waitFor();
      equal(await axeFaults(wang.page), [], "faults of accessibility");
      await wang.page.setViewportSize(PHONE);
      equal(await overflow(wang.page), 0, "pixels that the page is too wide");
      await j.picture("required", "must-enrol-390");
      await wang.page.fill("#factor-password", PASSWORD);
      await wang.page.click("[data-testid=factor-begin] button[type=submit]");
      const key = (await wang.page.locator("[data-testid=factor-key] code").innerText()).replace(/ /g, "");
      await wang.page.fill("#factor-code", new Authenticator(key).code(0));
      await wang.page.click("[data-testid=factor-confirm] button[type=submit]");
      await wang.page.click("[data-testid=recovery-kept]");
      await wang.page.locator("[data-testid=must-enrol]").waitFor({ state: "detached" });

      await page.reload();
      await page.locator("tr:has-text('王经理') [data-testid=factor-reset]").click();
      await page.fill("[data-testid=reason-dialog] #reason", "手机丢失");
      await everywhere("reset");
      await page.click("[data-testid=reason-confirm]");
      await page.locator("tr:has-text('王经理') [data-testid=factor-reset]").waitFor({ state: "detached" });
      await wang.page.reload();
      await wang.page.waitForSelector("#password");
      await desk.go("log");
      await page.waitForSelector("text=重置二次验证");
      await page.waitForSelector("text=手机丢失");
      await language();
      await page.waitForSelector("text=Reset a second factor");
      await language();
    });

    pages.checkFaults();
  } finally {
    await pages.close();
    await server.stop();
  }
}
