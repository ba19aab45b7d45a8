/** Where a pre-flight finding is mended. The server names a page; a page it may name tomorrow leads to the home. */
import type { Finding } from "@shared/api/staff";
import type { OpeningPage } from "./router";

const PAGES: Record<string, OpeningPage> = { settings: "edit", units: "units", roster: "registrations" };

/** The server names the list that lacks something; what a list lacks is mended by its spreadsheet. */
const BY_IMPORT = ["NO_UNITS", "UNIT_WITHOUT_PRICE", "NO_REGISTRATIONS", "NOBODY_ELIGIBLE", "REGISTRATION_WITHOUT_PHONE"];

export function pageOf(finding: Pick<Finding, "page" | "code">): OpeningPage {
  if (BY_IMPORT.includes(finding.code)) return "import";
  return PAGES[finding.page ?? ""] ?? "home";
}

/** What stops comes before what warns. */
export function bySeverity(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => Number(b.severity === "stop") - Number(a.severity === "stop"));
}
