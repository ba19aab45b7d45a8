import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { catalogueFaults } from "@shared/i18n";
import { en } from "./en";
import { zh } from "./zh";

/** Apart from `new URL`, which Vite would otherwise take for an asset of the page. */
const here = import.meta.url;

/** The server's own list is the measure: a code that it learns tomorrow and no page can say turns this red. */
function codesOf(files: string, pattern: RegExp): string[] {
  const read = (file: string) => readFileSync(new URL(`../../../src/${file}`, here), "utf8");
  const found = files.split(" ").flatMap((file) => [...read(file).matchAll(pattern)].map((match) => match[1] as string));
  // The name of a variant goes over the wire in lower case.
  return found.map((code) => (/^[A-Z][a-z]/.test(code) ? code.toLowerCase() : code));
}

/** Where the staff log is written. */
const LOGGED =
  "console/routes/holds.rs console/routes/lifecycle.rs console/routes/lists.rs console/routes/openings.rs " +
  "console/routes/results.rs console/routes/live.rs console/routes/log.rs console/routes/truth.rs identity/staff/chain.rs console/routes/rehearsals.rs console/load/run.rs opening/rehearse/mod.rs opening/prepare/apply/units.rs opening/prepare/apply/registrations.rs identity/buyers/device.rs identity/staff/account.rs identity/staff/session.rs identity/staff/second_factor.rs app/sms.rs";

describe("the console's words (OP-95)", () => {
  it("stand in both languages with the same placeholders", () => {
    expect(catalogueFaults(zh, en)).toEqual([]);
  });

  const lists: [string, string, RegExp, string, number][] = [
    ["problems of the doors", "http/problem.rs", /^\s+\w+ = "([A-Z_]+)", [A-Z_]+, "/gm, "err", 20],
    ["refused commands", "opening/job.rs", /^\s+\w+ = "([A-Z_]+)",$/gm, "err", 5],
    ["files that can't be read", "opening/prepare/problem.rs", /"(FILE_[A-Z_]+)"/g, "err", 5],
    ["reasons of refused rows", "opening/prepare/problem.rs", /^\s+\w+ = "([A-Z_]+)",$/gm, "reason", 20],
    ["findings before publication", "opening/preflight.rs", /(?:finding|count)\("([A-Z_]+)"/g, "finding", 8],
    ["kinds of events", "opening/event.rs", /=> "([a-z_]+)",$/gm, "event", 10],
    ["actions of the log", LOGGED, /"([A-Z]+_(?:[A-Z]+_){0,2}(?:CREATED|CHANGED|CHECKED|PUBLISHED|UNPUBLISHED|PAUSED|RESUMED|ENDED|ARCHIVED|DISABLED|WITHHELD|UNWITHHELD|IMPORTED|RECORDED|RELEASED|EXTENDED|REVIVED|EXPORTED|ADDED|RESET|CLEARED|MADE|STARTED|FAILED|READ|CHAINED|CHANGED|ENDED|REMOVED|OUT|IN))"/g, "log", 15],
    ["reasons of refused fields of staff", "identity/staff/mod.rs", /=> "((?:NAME|LOGIN|PASSWORD|LAST|ROLE)_(?!TAKEN|FAILED)[A-Z_]+)"/g, "why", 5],
    ["states of a message", "messaging/state.rs", /= "([a-z]+)",/g, "smsState", 5],
    ["reasons of a message that was not sent", "messaging/state.rs", /= "([A-Z_]+)",/g, "sms", 15],
    ["faults of the log's chain", "identity/staff/chain.rs", /= "([A-Z_]+)",/g, "chain", 6],
    ["troubles of the gateways", "status/trouble.rs", /=> "([A-Z0-9_]+)"/g, "trouble", 20],
    ["states of a gateway", "status/rows.rs", /=> "([a-z]+)"/g, "gateway", 5],
    ["states of gate 2", "status/report.rs", /=> "([a-z]+)"/g, "noticeboard", 4],
    ["reasons of gate 2", "opening/gate2/mod.rs", /= "([A-Z_]+)",/g, "gate2", 6],
    ["standbys of Postgres", "store/health.rs", /Standby::([A-Z][a-z]+)/g, "standby", 4],
    ["reasons of refunds", "opening/script/claims.rs", /"([A-Z]+_?[A-Z]*)"/g, "refund", 2],
  ];
  // Mutation caught: a row taken out of `codes-zh.ts` names its code here.
  it.each(lists)("cover the %s", (_, file, pattern, prefix, least) => {
    const codes = codesOf(file, pattern);
    expect(codes.length).toBeGreaterThanOrEqual(least);
    expect(codes.filter((code) => !(`${prefix}.${code}` in zh))).toEqual([]);
  });
});
