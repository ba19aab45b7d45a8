// The staff's door as docs/protocol.md states it, and nothing else.
import type { Kind, Params, PerKind, Unit } from "./buyer";

export type Role = "admin" | "manager" | "cashier" | "auditor" | "crowd";

export interface Staff {
  id: string;
  login: string;
  name: string;
  role: Role;
  disabled?: boolean;
  /** What the role may do, as the server judges it. */
  rights?: string[];
  /** Whether a code is asked for after the password. */
  second_factor?: boolean;
}

/** Who is signed in. `must_enrol`: a second factor is required first. */
export interface StaffSignedIn {
  token?: string;
  staff: Staff;
  must_enrol: boolean;
}

export interface SecondFactor {
  on: boolean;
  recovery_codes_left: number;
  required: boolean;
}

/** Where an account is signed in. `browser` as it calls itself. */
export interface StaffSession {
  /** Null: begun under an older program; it ends with the others. */
  id: string | null;
  created_ms: number;
  seen_ms: number;
  expires_ms: number;
  address: string | null;
  browser: string | null;
  this: boolean;
}

export interface Project {
  id: string;
  name: string;
  time_zone: string;
}

export type OpeningState =
  | "draft"
  | "checked"
  | "published"
  | "armed"
  | "live"
  | "closed"
  | "archived"
  | "disabled";

export interface OpeningDraft {
  project: string;
  name: string;
  start_ms: number;
  end_ms: number;
  hold_s: number;
  favourites_max: number;
  deposit_fen: PerKind;
  quota: PerKind;
  household_quota: Record<Kind, number | null>;
}

export interface OpeningAdmin extends OpeningDraft {
  id: string;
  project_name: string;
  state: OpeningState;
  paused: boolean;
  units: { total: number; by_kind: Partial<PerKind>; withheld: number; total_fen: number };
  registrations: { total: number; earnest_fen: number };
  units_hash?: string | null;
  roster_hash?: string | null;
  rehearsal?: boolean;
  simulated?: boolean;
  buyer_url: string;
  screen_url: string;
  now_ms: number;
}

export type UnitState = "free" | "held" | "sold" | "withheld";

export interface UnitAdmin extends Unit {
  withheld_reason?: string | null;
  status: UnitState;
}

export interface Finding {
  code: string;
  severity: "stop" | "warn";
  params?: Params | null;
  page?: string | null;
}

export interface Preflight {
  ok: boolean;
  findings: Finding[];
  units_hash?: string | null;
  roster_hash?: string | null;
}

export interface RegistrationAdmin {
  code: string;
  name_masked?: string;
  phone_masked?: string;
  document_masked?: string;
  [field: string]: unknown;
}

export interface Hold {
  claim: string;
  unit: number;
  unit_label: string;
  code: string;
  name: string;
  phone_tail: string;
  registration: string;
  state: string;
  generation: number;
  deposit_fen: number;
  paid_fen: number;
  earnest_fen: number;
  deadline_ms: number;
  created_ms: number;
  extended: boolean;
  seq: number;
}

export type PaymentMethod = "cash" | "pos" | "transfer";

export interface Payment {
  id: string;
  claim: string;
  generation: number;
  method: PaymentMethod;
  reference: string;
  amount_fen: number;
  applied_fen: number;
  refund_fen: number;
  refund_reason?: string | null;
  created_ms: number;
  by: string;
}

export interface Summary {
  now_ms: number;
  seq: number;
  units: number;
  withheld: number;
  free: number;
  held: number;
  sold: number;
  sell_through_bp: number;
  sold_fen: number;
  signed_in: number;
  connected: number;
  picks: number;
  refusals: Record<string, number>;
  per_minute: { at_ms: number; held: number; sold: number }[];
  holds_about_to_lapse: Hold[];
}

export interface ImportRow {
  sheet: string;
  row: number;
  column: string;
  reason: string;
  value: string;
  /** For what stands twice: the row that has it already. */
  first?: { sheet: string; row: number } | null;
}

export interface ImportReport {
  accepted: number;
  total_fen?: number;
  earnest_total_fen?: number;
  by_kind?: Partial<PerKind>;
  refused: ImportRow[];
  warnings: ImportRow[];
  /** Against what the opening holds; absent when the file was read without one. */
  added?: number;
  changed?: { what: string; field: string; before: string; after: string }[];
  unchanged?: number;
  missing?: string[];
  stored: boolean;
}

export interface OutboxMessage {
  id: string;
  to_masked: string;
  text: string;
  /** Only where staff may tell it: it was not sent, or could not be. */
  code?: string | null;
  created_ms: number;
  state: "shown" | "queued" | "sending" | "sent" | "failed";
  reason?: string | null;
  /** The provider's own code. */
  detail?: string | null;
  attempts: number;
  settled_ms?: number | null;
}

/** Whether the staff log's chain holds: sound up to `rows`, and what is wrong with the next. */
export interface LogCheck {
  rows: number;
  hash: string | null;
  wrong: { row: number | null; fault: string } | null;
}

export interface LogEntry {
  /** Its number in the chain; null for one that is not of it. */
  row: number | null;
  at_ms: number;
  staff: string;
  action: string;
  object: string;
  params?: Params | null;
}

/** What `/live` sends beside the board frames of the buyers' feed. */
export interface LiveEvent {
  t: "event";
  seq: number;
  kind: string;
  /** Absent where the event is about the opening: paused, resumed, closed. */
  unit?: number | null;
  at_ms: number;
  name_masked?: string | null;
  code?: string | null;
}

/** This server's process; a figure that is not known is null. */
export interface ServerState {
  version: string;
  now_ms: number;
  started_ms: number;
  database: "sqlite" | "postgres";
  cpu_s: number | null;
  cores: number;
  memory_bytes: number | null;
  files_open: number | null;
  files_max: number | null;
  sockets: number | null;
  connections: number | null;
  commits: number | null;
  commits_s: number | null;
  disk_free_bytes: number | null;
  clock_offset_s: number | null;
  openings: RunningOpening[];
}

export interface RunningOpening {
  id: string;
  name: string;
  state: OpeningState;
  paused: boolean;
  rehearsal: boolean;
  simulated: boolean;
  start_ms: number;
  units: number;
  registrations: number;
  signed_in: number;
  connected: number;
  picks: number;
  journal: number;
}

/** What gateways say of themselves, and what is wrong. */
export interface Status {
  now_ms: number;
  well: boolean;
  troubles: Trouble[];
  database: DatabaseHealth;
  gateways: GatewayStatus[];
  openings: OpeningHead[];
}

export interface Trouble {
  code: string;
  severity: "act" | "note";
  gateway: string | null;
  opening: string | null;
  redis: string | null;
  params: Params;
}

export interface DatabaseHealth {
  kind: "sqlite" | "postgres";
  server_version: string | null;
  round_trip_us: number | null;
  pool: { in_use: number; idle: number; max: number };
  standby: "none" | "present" | "missing" | "hidden";
  standby_names: string | null;
  backup_behind_ms: number | null;
}

export interface GatewayStatus {
  id: string;
  name: string;
  version: string;
  state: "starting" | "ready" | "draining" | "gone" | "silent";
  buyers_door: string;
  staff_door: string;
  started_ms: number;
  seen_ms: number;
  report: GatewayReport | null;
}

export interface GatewayReport {
  connected: number;
  clock_offset_us: number | null;
  clock_refuses: boolean;
  database: DatabaseHealth;
  redis: RedisHealth[];
  openings: OpeningStatus[];
}

export interface RedisHealth {
  address: string;
  reachable: boolean;
  for_ms: number;
  role: string | null;
  /** The server that answers: behind Sentinels another one after a failover. */
  master: string | null;
  version: string | null;
  replicas: number;
  sentinels: { named: number; reachable: number; known: number; refusal: string | null } | null;
  run_id: string | null;
  round_trip_us: number | null;
  eviction: string | null;
  reason: string | null;
}

/** An opening at one gateway. */
export interface OpeningStatus {
  id: string;
  phase: OpeningState;
  paused: boolean;
  armed: boolean;
  starts_in_ms: number;
  epoch: number;
  journal_head: number;
  journal_applied: number;
  board_seq: number;
  behind_ms: number;
  gate2: { state: "off" | "ready" | "lost" | "rebuilding"; reason: string | null; for_ms: number; stream_lag: number | null };
  picks: number;
  yes: number;
  picks_per_s: number;
  holds: number;
  connected: number;
  clock_offset_us: number;
  clock_refuses: boolean;
  commits_fail: boolean;
}

/** An opening as the database has it. */
export interface OpeningHead {
  id: string;
  name: string;
  rehearsal: boolean;
  phase: OpeningState;
  paused: boolean;
  epoch: number;
  journal_head: number;
  start_ms: number;
  end_ms: number;
}

export interface LoadRun {
  run: string;
  scenario: string;
  opening: string;
  name: string;
  rehearsal: string | null;
  buyers: number;
  by: string;
  asked_ms: number;
  start_ms: number | null;
  ended_ms: number | null;
  state: "preparing" | "running" | "done" | "stopped" | "failed";
  verdict: "pass" | "fail" | "refused" | null;
  p99_ms: number | null;
  reasons: string[];
}

export interface LoadRuns {
  /** Why no run can be started now. */
  refusal?: { code: string; params?: Params | null } | null;
  buyers_max: number;
  runs: LoadRun[];
}
