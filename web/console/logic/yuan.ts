/** Yuan as people type it, fen as the wire carries it. */

/** Full-width digits and marks come from Chinese input methods; commas and spaces from spreadsheets. */
function plain(text: string): string {
  return text
    .replace(/[\uFF10-\uFF19\uFF0E\uFF0C]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xfee0))
    .replace(/[,\s¥￥]/g, "");
}

/** `undefined` when the text is not an amount; never rounds a third decimal away. */
export function parseYuan(text: string): number | undefined {
  const match = /^(\d{1,12})(?:\.(\d{1,2}))?$/.exec(plain(text));
  if (!match) return undefined;
  return Number(match[1]) * 100 + Number((match[2] ?? "").padEnd(2, "0"));
}

/** The shortest text that `parseYuan` reads back: `50000`, `0.5`. */
export function yuanInput(fen: number): string {
  const yuan = Math.trunc(fen / 100);
  const rest = fen % 100;
  return rest === 0 ? String(yuan) : `${yuan}.${String(rest).padStart(2, "0").replace(/0$/, "")}`;
}
