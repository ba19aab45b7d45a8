// The buyers' door as docs/protocol.md states it, and nothing else: no behaviour, no words for people.
// Money is fen, area 0.01 m², time Unix milliseconds; a unit is its ordinal inside the opening.

export type Kind = "home" | "parking" | "shop" | "storage";
export const KINDS: readonly Kind[] = ["home", "parking", "shop", "storage"];

export type PerKind = Record<Kind, number>;
export type Phase = "published" | "armed" | "live" | "closed";
export type Device = "picks" | "viewer";

export interface Opening {
  id: string;
  name: string;
  project_name: string;
  phase: Phase;
  paused: boolean;
  start_ms: number;
  end_ms: number;
  now_ms: number;
  hold_s: number;
  favourites_max: number;
  participants: number;
  deposit_fen: PerKind;
  quota: PerKind;
  catalogue_hash: string;
  units_hash: string;
  roster_hash: string;
  rehearsal: boolean;
  simulated: boolean;
  /** Whether buyers may sign in by WeChat. */
  wechat?: boolean;
}

export interface Unit {
  unit: number;
  kind: Kind;
  building?: string | null;
  section?: string | null;
  floor?: string | null;
  room: string;
  layout?: string | null;
  facing?: string | null;
  gross_area_centi?: number | null;
  inner_area_centi?: number | null;
  unit_price_fen?: number | null;
  total_fen: number;
  remarks?: string | null;
}

export interface Catalogue {
  hash: string;
  units: Unit[];
}

export interface BoardSnapshot {
  seq: number;
  /** One digit a unit, by ordinal: see `Status` in board.ts. */
  status: string;
}

export type Eligibility = "passed" | "pending" | "failed";

export interface Registration {
  code: string;
  name_masked: string;
  group?: string | null;
  lot_number?: number | string | null;
  quota: PerKind;
  eligibility: Eligibility;
  earnest_fen: number;
}

export interface DeviceRequest {
  session: string;
  label: string;
}

export interface Me {
  registration: Registration;
  device: Device;
  session: string;
  favourites: number[];
  claims: Claim[];
  device_request?: DeviceRequest | null;
}

export interface SignedIn {
  token: string;
  device: Device;
  me: Me;
  /** From now on WeChat alone signs this buyer in. */
  wechat_bound?: boolean;
}

export interface RegistrationChoice {
  code: string;
  name_masked: string;
  document_tail: string;
}

export type ClaimState = "held" | "lapsing" | "sold" | "lapsed" | "released" | "given_up";

export interface Claim {
  id: string;
  unit: number;
  state: ClaimState;
  generation: number;
  code: string;
  deposit_fen: number;
  paid_fen: number;
  deadline_ms: number;
  created_ms: number;
  seq: number;
  extended: boolean;
}

export type Params = Record<string, unknown>;

/** Why a pick got "no". The server may learn new ones: a page must have a plain sentence for those too. */
export type RefusalCode =
  | "NOT_OPEN_YET"
  | "CLOSED"
  | "PAUSED"
  | "NOT_ADMITTED"
  | "NOT_YOUR_TURN"
  | "QUOTA_USED"
  | "TAKEN"
  | "WITHHELD"
  | "ALREADY_YOURS"
  | "UNIT_UNKNOWN"
  | "NOT_RECORDED"
  | "VIEWER_DEVICE";

export type Answer =
  | { key: string; answer: "yes"; claim: Claim }
  | { key: string; answer: "no"; code: string; params?: Params | null }
  | { key: string; answer: "in_progress" }
  | { key: string; answer: "unknown" };

export interface Screen {
  now_ms: number;
  seq: number;
  phase: Phase;
  paused: boolean;
  start_ms: number;
  end_ms: number;
  participants: number;
  units: number;
  sold: number;
  held: number;
  free: number;
  withheld: number;
  sell_through_bp: number;
  last_deals: { unit: number; name_masked: string; at_ms: number; state: "held" | "sold" }[];
  units_hash: string;
  roster_hash: string;
}

// ---- frames of `kaipan.v1` -------------------------------------------------------------------------------------

export interface HelloFrame {
  t: "hello";
  protocol: number;
  opening: string;
  now_ms: number;
  phase: Phase;
  paused: boolean;
  start_ms: number;
  end_ms: number;
  device: Device | "anonymous";
  seq: number;
}
export type SnapshotFrame = { t: "snapshot" } & BoardSnapshot;
export interface BoardFrame {
  t: "board";
  from: number;
  to: number;
  /** unit, status, unit, status … */
  u: number[];
}
export interface ControlFrame {
  t: "control";
  phase: Phase;
  paused: boolean;
  start_ms: number;
  end_ms: number;
  now_ms: number;
}
export interface DeviceFrame {
  t: "device";
  device: Device;
  request?: DeviceRequest | null;
}
export interface ErrorFrame {
  t: "error";
  code: string;
  params?: Params | null;
  key?: string | null;
}

export type ServerFrame =
  | HelloFrame
  | SnapshotFrame
  | BoardFrame
  | ControlFrame
  | DeviceFrame
  | ErrorFrame
  | { t: "mine"; claims: Claim[] }
  | ({ t: "answer" } & Answer)
  | { t: "claim"; claim: Claim }
  | { t: "time"; c: number; now_ms: number };

export type ClientFrame =
  | { t: "pick"; key: string; unit: number; again?: true }
  | { t: "ask"; key: string }
  | { t: "snapshot" }
  | { t: "time"; c: number };

/** Reads one frame; anything that is not an object with a tag is null and is left alone. */
export function parseFrame(text: string): ServerFrame | null {
  try {
    const value: unknown = JSON.parse(text);
    if (value !== null && typeof value === "object" && typeof (value as { t?: unknown }).t === "string") {
      return value as ServerFrame;
    }
  } catch {
    // A frame that is no JSON is the server's fault, not the reader's: the feed goes on without it.
  }
  return null;
}
