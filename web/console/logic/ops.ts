/**
 * What the ops page works out: figures between two looks at the server, how far a load run is, which openings may be
 * rehearsed. Pure.
 */
import type { LoadRun, OpeningAdmin, ServerState } from "@shared/api/staff";

export const SCENARIOS = ["burst", "storm", "board", "ramp", "soak"] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** The server's own bounds, so that a slip is said before it is sent. */
export const START_IN_S = [15, 30, 60, 120, 300] as const;
export const P99_MS_MAX = 600_000;

/** Between two looks; undefined where there is nothing to say: too short a time, another process, nothing done. */
export interface Rates {
  /** Cores in use. */
  cores?: number;
  commits_per_s?: number;
  /** One commit's time, waits included. */
  commit_ms?: number;
}

export function rates(before: ServerState | undefined, now: ServerState): Rates {
  const all = now.commits && now.commits_s !== null ? (now.commits_s / now.commits) * 1000 : undefined;
  if (!before || before.started_ms !== now.started_ms || now.now_ms - before.now_ms < 500) return { commit_ms: all };
  const seconds = (now.now_ms - before.now_ms) / 1000;
  const per = (a: number | null, b: number | null) => (a === null || b === null ? undefined : Math.max(0, b - a));
  const cpu_s = per(before.cpu_s, now.cpu_s);
  const commits = per(before.commits, now.commits);
  const commits_s = per(before.commits_s, now.commits_s);
  return {
    cores: cpu_s === undefined ? undefined : cpu_s / seconds,
    commits_per_s: commits === undefined ? undefined : commits / seconds,
    commit_ms: commits && commits_s !== undefined ? (commits_s / commits) * 1000 : all,
  };
}

/** `312 MB`, `1.4 GB`; undefined stays a dash. */
export function bytes(n: number | null): string {
  if (n === null) return "–";
  if (n >= 1e12) return `${(n / 1e12).toFixed(1)} TB`;
  if (n >= 1e9) return `${(n / 1e9).toFixed(1)} GB`;
  return `${Math.round(n / 1e6)} MB`;
}

/** A duration in ms with as many figures as matter: `0.42`, `8.3`, `120`. */
export function figure(ms: number): string {
  const size = Math.abs(ms);
  const text = size < 1 ? ms.toFixed(2) : size < 100 ? ms.toFixed(1) : String(Math.round(ms));
  return text === "-0.00" ? "0.00" : text;
}

export type Stage = "copying" | "gathering" | "under_way" | "over";

/** How far a run is, by the server's clock. */
export function stageOf(run: LoadRun, now_ms: number): Stage {
  if (run.state === "preparing") return "copying";
  if (run.state !== "running") return "over";
  return run.start_ms !== null && now_ms >= run.start_ms ? "under_way" : "gathering";
}

export type Tone = "success" | "danger" | "warning" | "info";

/** The word of a run's end: its verdict, or why it has none. */
export function outcome(run: LoadRun): { key: string; tone: Tone } {
  if (run.state === "done" && run.verdict === "pass") return { key: "pass", tone: "success" };
  if (run.state === "done" && run.verdict === "fail") return { key: "fail", tone: "danger" };
  if (run.state === "done" && run.verdict === "refused") return { key: "refused", tone: "warning" };
  if (run.state === "failed" || run.state === "done") return { key: "failed", tone: "danger" };
  return { key: run.state, tone: "info" };
}

/** The load tool gives each reason in both languages, Chinese first. */
export function reason(text: string, lang: string): string {
  const [zh, en] = text.split(" | ");
  return (lang === "en" ? en : zh) ?? text;
}

/** Openings with homes that are nobody's rehearsal; the next to start first. */
export function rehearsable(openings: OpeningAdmin[], now_ms: number): OpeningAdmin[] {
  const fits = (o: OpeningAdmin) => !o.rehearsal && o.units.total > 0 && o.state !== "disabled" && o.state !== "archived";
  const distance = (o: OpeningAdmin) => (o.start_ms >= now_ms ? o.start_ms - now_ms : 1e15 + now_ms - o.start_ms);
  return openings.filter(fits).sort((a, b) => distance(a) - distance(b));
}

/** As many buyers as the roster has people, within what one run may have. */
export function usualBuyers(opening: OpeningAdmin, max: number): number {
  return Math.min(opening.registrations.total || 1000, max);
}

export interface LoadForm {
  opening: string;
  scenario: Scenario;
  buyers: string;
  start_in_s: number;
  p99_ms: string;
}

/** What is sent, or which field is wrong. */
export function toLoadRun(form: LoadForm, buyersMax: number) {
  const faults: Record<string, string> = {};
  const whole = (text: string, max: number) => {
    const value = /^\d{1,9}$/.test(text.trim()) ? Number(text) : 0;
    return value >= 1 && value <= max ? value : undefined;
  };
  const buyers = whole(form.buyers, buyersMax);
  const p99 = whole(form.p99_ms, P99_MS_MAX);
  if (buyers === undefined) faults.buyers = "ops.fault.buyers";
  if (p99 === undefined) faults.p99_ms = "ops.fault.p99";
  if (form.opening === "") faults.opening = "ops.fault.opening";
  const body = {
    scenario: form.scenario,
    buyers: buyers ?? 0,
    start_in_s: form.start_in_s,
    limits: { answer_p99_ms: p99 ?? 0 },
  };
  return { body, faults };
}
