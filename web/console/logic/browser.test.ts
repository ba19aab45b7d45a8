import { describe, expect, it } from "vitest";
import { browserName } from "./browser";

describe("the name of a browser", () => {
  const cases: [string, string][] = [
    ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36", "Chrome 126 · Windows"],
    ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.87", "Edge 126 · Windows"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1", "Safari 17 · iPhone"],
    ["Mozilla/5.0 (Linux; Android 14; V2241A) AppleWebKit/537.36 Chrome/116.0 Mobile Safari/537.36 MicroMessenger/8.0.49", "WeChat 8 · Android"],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox 128 · Linux"],
    ["kaipan-loadtest/0.1.0", "kaipan-loadtest/0.1.0"],
    ["", ""],
    ["x".repeat(400), "x".repeat(60)],
  ];
  // Mutation caught: Chrome looked for before Edge and WeChat.
  it.each(cases)("%s", (agent, name) => expect(browserName(agent)).toBe(name));
});
