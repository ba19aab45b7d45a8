/** Where a pre-flight finding is mended. The server names a page; a page it may name tomorrow leads to the home. */
import type { Finding } from "@shared/api/staff";
import type { OpeningPage } from "./router";

const PAGES: Record<string, OpeningPage> = {
  settings: "edit",
  edit: "edit",
  opening: "edit",
  import: "import",
  price_list: "import",
  "price-list": "import",
  roster: "import",
  units: "units",
  registrations: "registrations",
  people: "registrations",
};

export function pageOf(finding: Pick<Finding, "page">): OpeningPage {
  return PAGES[finding.page ?? ""] ?? "home";
}

/** What stops comes before what warns. */
export function bySeverity(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => Number(b.severity === "stop") - Number(a.severity === "stop"));
}
