// Takes the pictures of README from a demo with its crowd: `node e2e/pictures.mjs`, after `make run` has built
// everything. They go to docs/images; look at them before they are committed.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { device, launch } from "./lib/browser.mjs";
import { until } from "./lib/steps.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const images = join(root, "docs", "images");
mkdirSync(images, { recursive: true });
const home = mkdtempSync(join(tmpdir(), "kaipan-pictures-"));
const logFile = join(home, "log");
const log = openSync(logFile, "w");
const binary = process.env.KAIPAN_BIN || join(root, "target", "debug", "kaipan");
const ports = ["--port", "18480", "--console-port", "18481", "--demo-port", "18482"];
const args = ["demo", "--data-dir", join(home, "data"), "--start-in", "50s", "--buyers", "400", "--tap-for", "60s", ...ports];
const env = { PATH: process.env.PATH, HOME: home, KAIPAN_KEYRING: join(home, "keys.json") };
const demo = spawn(binary, args, { env, stdio: ["ignore", log, log] });
const ended = new Promise((resolve) => demo.once("exit", resolve));
const browser = await launch();
const keep = (page, name) => page.screenshot({ path: join(images, `${name}.jpg`), type: "jpeg", quality: 74 });

try {
  const said = await until("the demo's addresses", () => {
    const text = readFileSync(logFile, "utf8");
    return /RC00004.*code \d+/.test(text) && text;
  }, 120_000);
  const buyerUrl = /http:\S+\/o\/\S+/.exec(said)[0];
  const [, password] = /admin \/ (\S+)/.exec(said);
  const [winner, loser] = ["RC00002", "RC00003"].map((code) => new RegExp(`${code}\\s+(\\d+)\\s.*code (\\d+)`).exec(said).slice(1));

  const desk = await device(browser, { viewport: { width: 1360, height: 900 }, deviceScaleFactor: 1, timezoneId: "Asia/Shanghai" });
  await desk.goto("http://127.0.0.1:18481/");
  await desk.fill("#login", "admin");
  await desk.fill("#password", password);
  await desk.click("[data-testid=sign-in]");
  await desk.waitForSelector("[data-testid=sign-out]");
  await desk.goto(`http://127.0.0.1:18481/#/openings/${buyerUrl.split("/o/")[1]}/live`);
  const wall = await device(browser, { viewport: { width: 1920, height: 1080 }, deviceScaleFactor: 1 });
  await wall.goto(buyerUrl.replace("/o/", "/screen/"));

  const phone = async ([number, code], rooms) => {
    const page = await device(browser, { deviceScaleFactor: 1.5 });
    page.lag = { held: false };
    await page.routeWebSocket(/\/ws$/, (socket) => {
      const server = socket.connectToServer();
      server.onMessage((m) => (page.lag.held && String(m).includes('"t":"board"') ? undefined : socket.send(m)));
    });
    await page.goto(buyerUrl);
    await page.click("header button:has-text('登录')");
    await page.fill("#phone", number);
    await page.fill("#code", code);
    await page.click(".sheet .go");
    await page.waitForSelector(".sheet", { state: "detached" });
    for (const room of rooms) {
      await page.click(`.cell:has(b:text-is('${room}'))`);
      await page.click(".card .fav");
      await page.click(".card button[aria-label='收起']");
    }
    await page.evaluate(() => window.scrollTo(0, 0));
    return page;
  };
  const a = await phone(winner, ["3301", "3102", "2903"]);
  const b = await phone(loser, ["3301", "3203", "2804"]);
  await keep(a, "buyer-waiting");
  const open = (page) => until("the start", async () => /^选 /m.test(await page.locator(".bar").innerText()), 90_000);
  b.lag.held = true;
  await open(a);
  await a.locator(".bar .go").last().click();
  await b.locator(".bar .go").last().click();
  await a.waitForTimeout(1200);
  b.lag.held = false;
  await keep(a, "buyer-won");
  await keep(b, "buyer-lost");
  await a.waitForTimeout(9000);
  await keep(wall, "screen");
  await keep(desk, "console");
} finally {
  await browser.close();
  demo.kill("SIGTERM");
  await ended;
  rmSync(home, { recursive: true, force: true });
}
