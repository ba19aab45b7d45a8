import { describe, expect, it } from "vitest";
import { href, openingOf, OPENING_PAGES, parseRoute, type Route } from "./router";

describe("addresses of the console", () => {
  const routes: Route[] = [
    { page: "openings" },
    { page: "new" },
    { page: "staff" },
    { page: "account" },
    { page: "ops" },
    { page: "log" },
    { page: "log", opening: "01J" },
    ...OPENING_PAGES.map((page): Route => ({ page, opening: "01JABC" })),
  ];

  it.each(routes)("come back as they were written: %j", (route) => {
    expect(parseRoute(href(route))).toEqual(route);
  });

  it("lead home when there is no address, and say so when there is no such page", () => {
    expect(parseRoute("")).toEqual({ page: "openings" });
    expect(parseRoute("#/openings/01J/nowhere").page).toBe("missing");
    expect(parseRoute("#/else").page).toBe("missing");
  });

  it("survive an address that is not well encoded", () => {
    expect(openingOf(parseRoute("#/openings/%E0%A4%A/live"))).toBe("%E0%A4%A");
  });
});
