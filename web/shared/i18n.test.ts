import { afterEach, describe, expect, it } from "vitest";
import { catalogueFaults, createI18n, fill, lang, setLang } from "./i18n";
import { commonEn, commonZh } from "./words";

afterEach(() => setLang("zh-CN"));

describe("i18n (OP-95: zh-CN and English)", () => {
  it("every common word stands in both languages", () => {
    expect(catalogueFaults(commonZh, { ...commonEn, "lang.switch": "Chinese" })).toEqual([]);
  });

  // The check itself: each fault is seen.
  const faulty: [string, Record<string, string>, Record<string, string>, string[]][] = [
    ["missing English", { a: "甲" }, {}, ["a: no English"]],
    ["missing Chinese", {}, { a: "A" }, ["a: no Chinese"]],
    ["another placeholder", { a: "{n}套" }, { a: "{m} units" }, ["a: {n} became {m}"]],
    ["empty", { a: "甲" }, { a: " " }, ["a: empty"]],
    ["left in Chinese", { a: "甲" }, { a: "甲 A" }, ["a: Chinese left in the English"]],
  ];
  it.each(faulty)("sees %s", (_, zh, en, expected) => expect(catalogueFaults(zh, en)).toEqual(expected));

  it("fills placeholders and leaves a missing one visible", () => {
    expect(fill("{unit} 还有 {time}", { unit: "A-1203" })).toBe("A-1203 还有 {time}");
  });

  it("starts in Chinese and switches", () => {
    const { t, maybe } = createI18n({ hi: "你好 {n}" }, { hi: "Hello {n}" });
    expect(t("hi", { n: 1 })).toBe("你好 1");
    setLang("en");
    expect(t("hi", { n: 1 })).toBe("Hello 1");
    expect(document.documentElement.lang).toBe("en");
    expect(localStorage.getItem("kp.lang")).toBe("en");
    expect(lang.value).toBe("en");
    expect(maybe("no.NEW_CODE")).toBeNull();
    expect(maybe("toString")).toBeNull();
  });
});
