/**
 * Addresses of the console, kept behind `#` so that the server needs to know only `/`.
 * Pure: text in, route out, and back. The one place that listens to the browser is `route.ts`.
 */

/** Pages that belong to one opening; the name is also the last part of the address. */
export const OPENING_PAGES = [
  "home",
  "edit",
  "import",
  "units",
  "registrations",
  "live",
  "cashier",
  "refunds",
  "results",
  "outbox",
] as const;
export type OpeningPage = (typeof OPENING_PAGES)[number];

export type Route =
  | { page: "openings" }
  | { page: "new" }
  | { page: "staff" }
  | { page: "account" }
  | { page: "ops" }
  | { page: "log"; opening?: string }
  | { page: OpeningPage; opening: string }
  | { page: "missing"; path: string };

function isOpeningPage(text: string): text is OpeningPage {
  return (OPENING_PAGES as readonly string[]).includes(text);
}

export function parseRoute(hash: string): Route {
  const path = hash.replace(/^#?\/?/, "").replace(/\?.*$/, "");
  const parts = path.split("/").filter(Boolean).map(decode);
  const [first, second, third] = parts;
  if (first === undefined) return { page: "openings" };
  if (first === "staff" && parts.length === 1) return { page: "staff" };
  if (first === "account" && parts.length === 1) return { page: "account" };
  if (first === "ops" && parts.length === 1) return { page: "ops" };
  if (first === "log" && parts.length <= 2) return second ? { page: "log", opening: second } : { page: "log" };
  if (first !== "openings" || parts.length > 3) return { page: "missing", path };
  if (second === undefined) return { page: "openings" };
  if (second === "new" && third === undefined) return { page: "new" };
  if (third === undefined) return { page: "home", opening: second };
  return isOpeningPage(third) ? { page: third, opening: second } : { page: "missing", path };
}

export function href(route: Route): string {
  switch (route.page) {
    case "openings":
      return "#/openings";
    case "new":
      return "#/openings/new";
    case "staff":
      return "#/staff";
    case "account":
      return "#/account";
    case "ops":
      return "#/ops";
    case "log":
      return route.opening ? `#/log/${encodeURIComponent(route.opening)}` : "#/log";
    case "missing":
      return `#/${route.path}`;
    case "home":
      return `#/openings/${encodeURIComponent(route.opening)}`;
    default:
      return `#/openings/${encodeURIComponent(route.opening)}/${route.page}`;
  }
}

/** The opening a route is about, so that the menu can offer its other pages. */
export function openingOf(route: Route): string | undefined {
  return "opening" in route ? route.opening : undefined;
}

/** A stray `%` in a pasted address must not take the page down. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
