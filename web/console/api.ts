/** The staff's door, one function a route. The only place of the console that knows a path. */
import type { BoardSnapshot } from "@shared/api/buyer";
import type {
  Hold,
  ImportReport,
  LoadRun,
  LoadRuns,
  LogCheck,
  LogEntry,
  OpeningAdmin,
  OpeningDraft,
  OutboxMessage,
  Payment,
  PaymentMethod,
  Preflight,
  Project,
  RegistrationAdmin,
  Role,
  ServerState,
  Staff,
  SecondFactor,
  StaffSession,
  StaffSignedIn,
  Status,
  Summary,
  UnitAdmin,
} from "@shared/api/staff";
import { Problem, request, type RequestOptions } from "@shared/http";
import { clock } from "./clock";
import type { Action } from "./logic/timeline";
import { mustEnrol, signedOut } from "./session";

const ROOT = "/api/v1";
/** Reading a spreadsheet of ten thousand rows takes seconds, and the line from a sales site may be thin. */
const UPLOAD_MS_MAX = 180_000;

async function call<T>(path: string, options?: RequestOptions): Promise<T> {
  try {
    return await request<T>(ROOT + path, options);
  } catch (error) {
    if (error instanceof Problem && error.status === 401 && path !== "/session") signedOut(true);
    if (error instanceof Problem && error.code === "SECOND_FACTOR_REQUIRED") mustEnrol.value = true;
    throw error;
  }
}

/** A unit that the price list left without a total counts as zero; the check before publication stops it. */
const priced = (unit: UnitAdmin): UnitAdmin => ({ ...unit, total_fen: unit.total_fen ?? 0 });
/** A hold that no longer runs has no deadline; it sorts first and shows none. */
const timedHold = (hold: Hold): Hold => ({ ...hold, deadline_ms: hold.deadline_ms ?? 0 });

const post = <T>(path: string, body: unknown = {}) => call<T>(path, { method: "POST", body });
const at = (opening: string, rest = "") => `/openings/${encodeURIComponent(opening)}${rest}`;

function query(values: Record<string, string | number | boolean | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}

/** Openings carry the server's time; every one that comes sets the clock a little better. */
async function timed<T extends { now_ms: number }>(answer: Promise<T>): Promise<T> {
  const sent = clock.stamp();
  const value = await answer;
  clock.sample(sent, value.now_ms);
  return value;
}

// ---- sessions and staff ----
export const session = () => call<StaffSignedIn>("/session");
export const signIn = (login: string, password: string, code?: string) =>
  post<StaffSignedIn>("/session", { login, password, code });
export const signOut = () => call<void>("/session", { method: "DELETE" });
export const listSessions = async () => (await call<{ sessions: StaffSession[] }>("/sessions")).sessions;
export const endSession = (id: string) => call<void>(`/sessions/${encodeURIComponent(id)}`, { method: "DELETE" });
export const endOtherSessions = () => call<{ ended: number }>("/sessions", { method: "DELETE" });
export const changePassword = (current: string, password: string) => post<void>("/session/password", { current, password });
export const listSessionsOf = async (id: string) =>
  (await call<{ sessions: StaffSession[] }>(`/staff/${encodeURIComponent(id)}/sessions`)).sessions;
export const endSessionsOf = (id: string) =>
  call<{ ended: number }>(`/staff/${encodeURIComponent(id)}/sessions`, { method: "DELETE" });
export const secondFactor = () => call<SecondFactor>("/session/second-factor");
export const beginSecondFactor = (current: string) => post<{ key: string; uri: string }>("/session/second-factor", { current });
export const confirmSecondFactor = (code: string) =>
  post<{ recovery_codes: string[] }>("/session/second-factor/confirm", { code });
export const removeSecondFactor = (current: string, code: string) =>
  post<void>("/session/second-factor/remove", { current, code });
export const resetSecondFactor = (id: string, reason: string) =>
  post<void>(`/staff/${encodeURIComponent(id)}/second-factor/reset`, { reason });
export const requireSecondFactor = (required: boolean, reason: string) =>
  call<void>("/second-factor", { method: "PUT", body: { required, reason } });
export const listStaff = () => call<{ staff: Staff[]; second_factor_required: boolean }>("/staff");
export const addStaff = (body: { login: string; name: string; role: Role; password: string }) =>
  post<Staff>("/staff", body);
export const changeStaff = (id: string, body: { role?: Role; disabled?: boolean }) =>
  call<Staff>(`/staff/${encodeURIComponent(id)}`, { method: "PATCH", body });
export const resetPassword = (id: string, password: string) =>
  post<void>(`/staff/${encodeURIComponent(id)}/password`, { password });
/** The newest entries that one answer brings, as the server bounds it. */
export const LOG_LISTED_MAX = 200;
export const log = async (opening?: string) =>
  (await call<{ entries: LogEntry[] }>(`/log${query({ opening })}`)).entries;
export const checkLog = () => call<LogCheck>("/log/check");

// ---- projects and openings ----
export const listProjects = async () => (await call<{ projects: Project[] }>("/projects")).projects;
export const createProject = (name: string) => post<Project>("/projects", { name });
export const listOpenings = async () => (await call<{ openings: OpeningAdmin[] }>("/openings")).openings;
export const createOpening = (draft: OpeningDraft) => post<OpeningAdmin>("/openings", draft);
export const getOpening = (id: string) => timed(call<OpeningAdmin>(at(id)));
export const changeOpening = (id: string, draft: Partial<OpeningDraft>) =>
  call<OpeningAdmin>(at(id), { method: "PATCH", body: draft });
export const preflight = (id: string) => call<Preflight>(at(id, "/preflight"));
export const act = (id: string, action: Action, reason?: string) =>
  timed(post<OpeningAdmin>(at(id, `/${action}`), reason === undefined ? {} : { reason }));

// ---- preparation ----
export const listUnits = async (id: string) => (await call<{ units: UnitAdmin[] }>(at(id, "/units"))).units.map(priced);
export const withhold = (id: string, units: number[], reason: string) =>
  post<unknown>(at(id, "/units/withhold"), { units, reason });
export const unwithhold = (id: string, units: number[]) => post<unknown>(at(id, "/units/unwithhold"), { units });

export type Sheet = "price-list" | "roster";
export type ImportMode = "good_rows" | "all_or_nothing";

export function importFile(id: string, sheet: Sheet, file: File, mode: ImportMode, dry_run: boolean) {
  const form = new FormData();
  form.append("file", file, file.name);
  const path = at(id, `/import/${sheet}`) + query({ mode, dry_run });
  return call<ImportReport>(path, { method: "POST", form, timeoutMs: UPLOAD_MS_MAX });
}

export const listRegistrations = (id: string, q: string, offset: number, limit: number) =>
  call<{ total: number; registrations: RegistrationAdmin[] }>(at(id, "/registrations") + query({ q, offset, limit }));
export const resetDevice = (id: string, code: string, reason: string) =>
  post<void>(at(id, `/registrations/${encodeURIComponent(code)}/device-reset`), { reason });

// ---- live ----
export const board = (id: string) => call<BoardSnapshot>(at(id, "/board"));
export const liveUrl = (id: string) => `${ROOT}${at(id, "/live")}`;
export const summary = (id: string) => timed(call<Summary>(at(id, "/summary")));

// ---- cashier ----
export const listHolds = async (id: string, q: string, state?: string) =>
  (await call<{ holds: Hold[] }>(at(id, "/holds") + query({ q, state }))).holds.map(timedHold);
export const pay = async (
  id: string,
  hold: Pick<Hold, "claim" | "generation">,
  body: { method: PaymentMethod; reference: string; amount_fen: number },
) => {
  const path = at(id, `/holds/${hold.claim}/payments`);
  const done = await post<{ payment: Payment; hold: Hold }>(path, { generation: hold.generation, ...body });
  return { payment: done.payment, hold: timedHold(done.hold) };
};
export type HoldAction = "release" | "extend" | "revive";
export const actOnHold = async (id: string, hold: Pick<Hold, "claim" | "generation">, action: HoldAction, reason: string) =>
  timedHold(await post<Hold>(at(id, `/holds/${hold.claim}/${action}`), { generation: hold.generation, reason }));
export const listRefunds = async (id: string) => (await call<{ refunds: Payment[] }>(at(id, "/refunds"))).refunds;

// ---- ops ----
export const serverState = () => timed(call<ServerState>("/server"));
export const status = () => call<Status>("/status");
export const listLoadRuns = () => call<LoadRuns>("/load-runs");
export const startLoadRun = (id: string, body: { scenario: string; buyers: number; start_in_s: number; limits: object }) =>
  post<LoadRun>(at(id, "/load-runs"), body);
export const stopLoadRun = (run: string) => call<void>(`/load-runs/${encodeURIComponent(run)}`, { method: "DELETE" });
export const clearRehearsal = (id: string) => call<void>(at(id, "/rehearsal"), { method: "DELETE" });
export const reportUrl = (run: string, format: "html" | "json") =>
  `${ROOT}/load-runs/${encodeURIComponent(run)}/report.${format}`;

// ---- afterwards ----
export const resultsUrl = (id: string, format: "xlsx" | "csv") => `${ROOT}${at(id, `/results.${format}`)}`;
/** The newest messages that one answer brings, as the server bounds it. */
export const OUTBOX_LISTED_MAX = 100;
export const outbox = async (id: string, phone: string) =>
  (await call<{ messages: OutboxMessage[] }>(at(id, "/outbox") + query({ phone }))).messages;
