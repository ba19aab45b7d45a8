/**
 * Times as a form shows them, in the project's own time zone: an admin who prepares an opening from another
 * city must not shift its start. No library: `Intl` knows the offsets.
 */
const FIELDS: Intl.DateTimeFormatOptions = {
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
};

function wallClock(ms: number, timeZone: string): Record<string, string> {
  const parts = new Intl.DateTimeFormat("en-CA", { ...FIELDS, timeZone }).formatToParts(ms);
  return Object.fromEntries(parts.map((part) => [part.type, part.value]));
}

/** `2026-11-22T10:00:00`, the value of an `<input type="datetime-local" step="1">`. */
export function toInput(ms: number, timeZone: string): string {
  const p = wallClock(ms, timeZone);
  return `${p.year}-${p.month}-${p.day}T${p.hour}:${p.minute}:${p.second}`;
}

/**
 * The instant a wall clock in `timeZone` shows `text`, or `undefined` when the text is not a time.
 * The offset is looked up twice because the first guess may stand on the other side of a change of clocks.
 */
export function fromInput(text: string, timeZone: string): number | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?$/.exec(text.trim());
  if (!match) return undefined;
  const [, y, mo, d, h, mi, s = "0"] = match;
  const asUtc = Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s));
  let ms = asUtc;
  for (let round = 0; round < 2; round += 1) ms = asUtc - offset(ms, timeZone);
  return ms;
}

function offset(ms: number, timeZone: string): number {
  const p = wallClock(ms, timeZone);
  const shown = Date.UTC(
    Number(p.year),
    Number(p.month) - 1,
    Number(p.day),
    Number(p.hour),
    Number(p.minute),
    Number(p.second),
  );
  return shown - Math.floor(ms / 1000) * 1000;
}
