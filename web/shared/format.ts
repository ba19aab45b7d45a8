// Numbers as people read them. Integers in, text out; no rounding that would show a wrong price.

/** 243921400 fen → "243.92" (万). Two decimals at most: a buyer compares prices, the exact total stands in the unit's card. */
export function wan(fen: number): string {
  const hundredths = Math.round(fen / 10_000);
  const text = (hundredths / 100).toFixed(2);
  return text.replace(/\.?0+$/, "");
}

/** Short enough for a board cell: one decimal, "243.9". */
export function wanShort(fen: number): string {
  return (Math.round(fen / 100_000) / 10).toFixed(1).replace(/\.0$/, "");
}

/** A price at a glance in the reader's language: "243.92万" or "¥2.44M". */
export function price(fen: number, lang: "zh-CN" | "en"): string {
  return lang === "en" ? "¥" + million(fen) : wan(fen) + "万";
}

/** The same for a board cell, where each character costs width: "243.9万", "¥2.44M". */
export function priceShort(fen: number, lang: "zh-CN" | "en"): string {
  return lang === "en" ? "¥" + million(fen) : wanShort(fen) + "万";
}

function million(fen: number): string {
  return fen < 10_000_000 ? yuan(fen) : (Math.round(fen / 1_000_000) / 100).toFixed(2) + "M";
}

/** 243921400 fen → "2,439,214"; fen are shown only when there are some. */
export function yuan(fen: number): string {
  const sign = fen < 0 ? "-" : "";
  const whole = Math.floor(Math.abs(fen) / 100);
  const rest = Math.abs(fen) % 100;
  const grouped = String(whole).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return sign + grouped + (rest ? "." + pad(rest) : "");
}

/** 8912 → "89.12"; 6300 → "63". */
export function area(centi: number): string {
  return (centi / 100).toFixed(2).replace(/\.?0+$/, "");
}

/** Basis points → "98.3" (%). Rounded down: 99.99 % sold is not sold out. */
export function percent(bp: number): string {
  return (Math.floor(bp / 10) / 10).toFixed(1).replace(/\.0$/, "");
}

export function pad(n: number): string {
  return n < 10 ? "0" + n : String(n);
}

/** What a countdown shows: "00:42", "1:02:03". Rounded up, so that it reads 00:00 only when the time has come. */
export function countdown(ms: number): string {
  const total = Math.max(0, Math.ceil(ms / 1000));
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const text = pad(minutes) + ":" + pad(total % 60);
  return hours > 0 ? hours + ":" + text : text;
}

/** Days apart from the clock, so that "3 天 02:10:00" can be worded by a catalogue. */
export function splitDays(ms: number): { days: number; clock: string } {
  const total = Math.max(0, Math.ceil(ms / 1000));
  const days = Math.floor(total / 86_400);
  return { days, clock: countdown((total - days * 86_400) * 1000) };
}

/** China has had one time zone and no summer time since 1991; a WebView without zone data must still show it. */
const CHINA_OFFSET_MS = 8 * 3_600_000;

export interface DateParts {
  year: number;
  month: number;
  day: number;
  weekday: number;
  time: string;
  seconds: string;
}

/** Date and time in the project's zone (Asia/Shanghai), whatever zone the phone is in. */
export function chinaTime(ms: number): DateParts {
  const date = new Date(ms + CHINA_OFFSET_MS);
  const time = pad(date.getUTCHours()) + ":" + pad(date.getUTCMinutes());
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    weekday: date.getUTCDay(),
    time,
    seconds: time + ":" + pad(date.getUTCSeconds()),
  };
}
