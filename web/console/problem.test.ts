import { describe, expect, it } from "vitest";
import { NoAnswer, Problem } from "@shared/http";
import { findingsOf, findingText, problemText } from "./problem";

const problem = (status: number, code: string, params: Record<string, unknown> = {}) =>
  new Problem(status, code, params, "01J");

describe("what went wrong, in words", () => {
  it.each([
    ["a missing right by its name", problem(403, "FORBIDDEN", { right: "export" }), "您的角色没有这项权限：导出。请联系管理员。"],
    ["seconds, not milliseconds", problem(429, "SLOW_DOWN", { retry_after_ms: 1200 }), "操作太频繁，请 2 秒后再试。"],
    ["a field and its bound", problem(422, "FIELD_INVALID", { field: "password", reason: "PASSWORD_TOO_SHORT", min: 10 }), "密码：至少 10 位"],
    ["a field alone", problem(422, "FIELD_INVALID", { field: "amount_fen" }), "有一项内容不符合要求：金额"],
    ["states by their names", problem(409, "TRANSITION_REFUSED", { from: "live", to: "checked" }), "现在不能这样做：选房中 不能变为 已检查。请刷新后再看。"],
    ["a refusal that names no states", problem(409, "TRANSITION_REFUSED", { reason: "STARTED" }), "现在不能这样做，本场的状态刚刚变了。请刷新后再看。"],
    ["why a file can't be read", problem(422, "FILE_UNREADABLE", { reason: "FILE_EMPTY" }), "文件是空的。"],
    ["why a hold can't be restored", problem(409, "CLAIM_CHANGED", { reason: "UNIT_TAKEN" }), "这套房已经是别人的了。"],
    ["a code of tomorrow", problem(409, "SOMETHING_NEW"), "服务器拒绝了这个操作（SOMETHING_NEW）。"],
    ["a server that fails in a new way", problem(500, "SOMETHING_NEW"), "服务器出错（SOMETHING_NEW），请稍后再试；仍不行请把请求号告诉技术人员。"],
    ["a line that is cut", new NoAnswer("network"), "连不上服务器，请检查网络后再试。"],
  ])("names %s", (_, error, words) => expect(problemText(error)).toBe(words));

  it("lists what stops a publication", () => {
    const findings = [
      { code: "UNIT_WITHOUT_PRICE", severity: "stop", params: { count: 2, first: "1#-201" } },
      { code: "ELIGIBILITY_PENDING", severity: "warn", params: { count: 1, first: "RC1" } },
    ];
    const listed = findingsOf(problem(422, "PREFLIGHT_FAILED", { findings })).map(findingText);
    expect(listed).toEqual(["2 套房源没有总价，第一套是 1#-201。"]);
    expect(findingsOf(new Error("else"))).toEqual([]);
  });

  it("never shows a hole", () => {
    for (const code of ["SLOW_DOWN", "FORBIDDEN", "FIELD_INVALID", "MALFORMED", "TRANSITION_REFUSED"]) {
      expect(problemText(problem(400, code))).not.toMatch(/[{}]/);
    }
  });
});
