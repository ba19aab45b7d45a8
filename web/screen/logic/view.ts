/** Which face the screen shows, and the figures on it. Pure: the truth and the time in, words' parameters out. */
import type { Opening, Phase, Screen } from "@shared/api/buyer";
import type { Lang } from "@shared/i18n";
import type { Link } from "./truth";

export type Showing = "connecting" | "missing" | "wall";

/**
 * While the line is down the last truth stays on the wall: it was true. Once the server says that there is no such
 * opening, nothing known of it may stay: a countdown that ticks on would be a lie.
 */
export function showing(link: Link, known: boolean): Showing {
  if (link === "missing") return "missing";
  return known ? "wall" : "connecting";
}

export type Face = "countdown" | "board";

/** By the server's clock and not by the last answer: the face turns on the second, even while the line is down. */
export function phaseAt(opening: Pick<Opening, "phase" | "start_ms" | "end_ms">, now_ms: number): Phase {
  if (opening.phase === "closed" || now_ms >= opening.end_ms) return "closed";
  if (opening.phase === "live" || now_ms >= opening.start_ms) return "live";
  return opening.phase;
}

export function faceOf(phase: Phase): Face {
  return phase === "live" || phase === "closed" ? "board" : "countdown";
}

export type MoneyUnit = "yi" | "wan" | "billion" | "million";

/**
 * Amounts of an estate are read in 亿 or 万, in English in billions or millions; two decimals, rounded down: no more
 * than was really sold.
 */
export function bigMoney(fen: number, lang: Lang): { unit: MoneyUnit; n: string } {
  const yuan = Math.floor(fen / 100);
  const [large, small, large_yuan, small_yuan] =
    lang === "en"
      ? (["billion", "million", 1_000_000_000, 1_000_000] as const)
      : (["yi", "wan", 100_000_000, 10_000] as const);
  const [unit, size] = yuan >= large_yuan ? [large, large_yuan] : [small, small_yuan];
  return { unit, n: (Math.floor((yuan * 100) / size) / 100).toFixed(2) };
}

export interface Figures {
  free: number;
  held: number;
  sold: number;
  total: number;
  sell_through_bp: number;
}

/** The board is the newest truth; before its first snapshot the screen's own figures stand in. */
export function figures(
  board: { ready: boolean; count(): { free: number; held: number; sold: number } },
  screen: Screen | undefined,
): Figures {
  const { free, held, sold } = board.ready ? board.count() : (screen ?? { free: 0, held: 0, sold: 0 });
  const total = free + held + sold;
  return { free, held, sold, total, sell_through_bp: total === 0 ? 0 : Math.floor((sold * 10_000) / total) };
}

/** Enough of a hash to compare by eye from a printed sheet; the whole stands in the console. */
export function shortHash(hash: string): string {
  return hash.length > 24 ? `${hash.slice(0, 12)}…${hash.slice(-8)}` : hash;
}

/** `/screen/{opening}`; without one the page looks for the opening itself. */
export function openingIn(path: string): string | undefined {
  const match = /^\/screen\/([^/]+)\/?$/.exec(path);
  return match?.[1] ? decodeURIComponent(match[1]) : undefined;
}

/** The one to show when nobody named one: live before upcoming before closed, the earliest first. */
export function chooseOpening(openings: readonly Opening[]): Opening | undefined {
  const rank = (opening: Opening) => (opening.phase === "live" ? 0 : opening.phase === "closed" ? 2 : 1);
  return [...openings].sort((a, b) => rank(a) - rank(b) || a.start_ms - b.start_ms)[0];
}

/**
 * The one to show from here on when nobody named one. What hangs on the wall stays as long as it is there; only an
 * opening that runs takes the place of one that does not, so that the last board of the day is not wiped at its end.
 */
export function chooseAnew(shown: string | undefined, openings: readonly Opening[]): string | undefined {
  const best = chooseOpening(openings);
  const current = openings.find((opening) => opening.id === shown);
  if (current && (current.phase === "live" || best?.phase !== "live")) return current.id;
  return best?.id;
}

/** What all names begin with says nothing on a small heading: "东区1号楼", "东区2号楼" are "1号楼", "2号楼". */
export function withoutCommonStart(names: readonly string[]): string[] {
  const [first = "", ...others] = names;
  if (others.length === 0) return [...names];
  let common = 0;
  while (common < first.length && others.every((name) => name[common] === first[common])) common += 1;
  // Never into a number: "1号楼" and "10号楼" both begin with "1".
  while (common > 0 && /\d/.test(first[common - 1] as string)) common -= 1;
  return names.map((name) => name.slice(common) || name);
}
