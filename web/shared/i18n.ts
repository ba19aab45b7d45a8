// Words for people. Chinese is the catalogue; English must have exactly its keys and placeholders (the compiler holds
// the keys, `catalogueFaults` in a test holds the placeholders). The server sends codes, never sentences.
import { computed, ref, type ComputedRef, type Ref } from "vue";

export type Lang = "zh-CN" | "en";
export type Words = Record<string, string>;
export type WordParams = Record<string, string | number>;

const STORE = "kp.lang";

function stored(): Lang {
  try {
    const asked = /[?&]lang=(en|zh)/.exec(location.search);
    if (asked) return asked[1] === "en" ? "en" : "zh-CN";
    return localStorage.getItem(STORE) === "en" ? "en" : "zh-CN";
  } catch {
    // Private windows may refuse storage: Chinese first.
    return "zh-CN";
  }
}

/** One language for the whole page. */
export const lang: Ref<Lang> = ref(stored());

export function setLang(next: Lang): void {
  lang.value = next;
  document.documentElement.lang = next;
  try {
    localStorage.setItem(STORE, next);
  } catch {
    // The choice then lasts as long as the page.
  }
}

/** `"还有 {time}"` with `{time: "00:42"}`. A placeholder without its value stays visible: that is a fault to see. */
export function fill(text: string, params?: WordParams): string {
  if (!params) return text;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = params[name];
    return value === undefined ? whole : String(value);
  });
}

export interface I18n<K extends string> {
  lang: Ref<Lang>;
  /** The words of a key, in the page's language now. */
  t: (key: K, params?: WordParams) => string;
  /** The words of a code that came from the server, or null when this page has none for it. */
  maybe: (key: string, params?: WordParams) => string | null;
  other: ComputedRef<Lang>;
}

export function createI18n<K extends string>(zh: Record<K, string>, en: Record<K, string>): I18n<K> {
  const words = (): Words => (lang.value === "en" ? en : zh) as Words;
  const maybe = (key: string, params?: WordParams): string | null => {
    const text = Object.prototype.hasOwnProperty.call(words(), key) ? words()[key] : undefined;
    return text === undefined ? null : fill(text, params);
  };
  return {
    lang,
    t: (key, params) => {
      const text = maybe(key, params);
      return text === null ? key : text;
    },
    maybe,
    other: computed(() => (lang.value === "en" ? "zh-CN" : "en")),
  };
}

function placeholders(text: string): string {
  return (text.match(/\{\w+\}/g) || []).sort().join(" ");
}

/** What is wrong between two catalogues, one sentence each; a test of every page asserts that this is empty. */
export function catalogueFaults(zh: Words, en: Words): string[] {
  const faults: string[] = [];
  for (const key of Object.keys(zh)) {
    const [a, b] = [zh[key] as string, en[key]];
    if (b === undefined) faults.push(`${key}: no English`);
    else if (a.trim() === "" || b.trim() === "") faults.push(`${key}: empty`);
    else if (placeholders(a) !== placeholders(b)) faults.push(`${key}: ${placeholders(a)} became ${placeholders(b)}`);
    else if (/[\u4e00-\u9fff]/.test(b)) faults.push(`${key}: Chinese left in the English`);
  }
  for (const key of Object.keys(en)) if (!(key in zh)) faults.push(`${key}: no Chinese`);
  return faults;
}
