// WeChat, played by `kaipan-fakes`, and what a person does on its page.
import { spawn } from "node:child_process";
import { beside } from "./server.mjs";
import { check } from "./steps.mjs";

export const AGENT =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.50(0x1800323b) NetType/4G Language/zh_CN";

const APP_ID = "wxfa4e5c0ffee00001";
const SECRET = "fa4e5c0ffee0fa4e5c0ffee0fa4e5c0f";

export class WeChat {
  static async start() {
    const wechat = new WeChat();
    const args = ["--listen", "127.0.0.1:0", "--lifeline", "--wechat-app-id", APP_ID, "--wechat-secret", SECRET];
    wechat.child = spawn(beside("kaipan-fakes"), args, { stdio: ["pipe", "pipe", "ignore"] });
    wechat.base = await new Promise((resolve, reject) => {
      wechat.child.once("exit", (code) => reject(new Error(`kaipan-fakes ended: ${code}`)));
      wechat.child.stdout.once("data", (line) => resolve(String(line).trim()));
    });
    return wechat;
  }

  /** For a server that is to use it. */
  get settings() {
    return {
      KAIPAN_WECHAT_APP_ID: APP_ID,
      KAIPAN_WECHAT_SECRET: SECRET,
      KAIPAN_WECHAT_API_URL: this.base,
      KAIPAN_WECHAT_OPEN_URL: this.base,
    };
  }

  /** The next so many exchanges of a code fail like this. */
  async order(fault, times = 1) {
    const body = JSON.stringify({ api: "/sns/oauth2/access_token", times, fault });
    const sent = await fetch(`${this.base}/_fake/faults`, { method: "POST", headers: { "content-type": "application/json" }, body });
    check(sent.ok, `a fault was not taken: ${sent.status}`);
  }

  /** On WeChat's page: who I am, and whether I agree. */
  async decide(page, nickname, choice) {
    await page.waitForSelector("h1:has-text('选择微信用户')");
    if (nickname) await page.click(`label:has-text('${nickname}')`);
    await page.click(`button[value=${choice}]`);
  }

  stop() {
    this.child.stdin.end();
  }
}
