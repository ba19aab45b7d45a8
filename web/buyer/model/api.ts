// The buyers' door, one function a route. No state, no words.
import { request } from "@shared/http";
import type { Answer, BoardSnapshot, Catalogue, Claim, Me, Opening, SignedIn } from "@shared/api/buyer";

const root = "/api/v1/openings";

/** An answer later than this is worth nothing: the page asks for the outcome instead. */
const PICK_TIMEOUT_MS = 4000;
const ASK_TIMEOUT_MS = 4000;
const POLL_TIMEOUT_MS = 4000;

export function listOpenings(): Promise<{ openings: Opening[] }> {
  return request(root);
}

export class Door {
  readonly opening: string;
  private readonly base: string;

  constructor(opening: string) {
    this.opening = opening;
    this.base = `${root}/${encodeURIComponent(opening)}`;
  }

  get socketUrl(): string {
    return location.origin.replace(/^http/, "ws") + this.base + "/ws";
  }

  read(): Promise<Opening> {
    return request(this.base, { timeoutMs: POLL_TIMEOUT_MS });
  }

  catalogue(hash: string): Promise<Catalogue> {
    return request(`${this.base}/catalogue/${encodeURIComponent(hash)}`, { timeoutMs: 30_000 });
  }

  board(): Promise<BoardSnapshot> {
    return request(`${this.base}/board`, { timeoutMs: POLL_TIMEOUT_MS });
  }

  me(): Promise<Me> {
    return request(`${this.base}/me`, { timeoutMs: POLL_TIMEOUT_MS });
  }

  sendCode(phone: string): Promise<{ resend_after_ms: number }> {
    return request(`${this.base}/sign-in/code`, { method: "POST", body: { phone } });
  }

  signIn(body: { phone: string; code: string; registration?: string; device: string; bind_wechat?: boolean }): Promise<SignedIn> {
    return request(`${this.base}/sign-in`, { method: "POST", body });
  }

  /** Where WeChat asks who it is. */
  startWechat(): Promise<{ authorize_url: string }> {
    return request(`${this.base}/sign-in/wechat`, { method: "POST" });
  }

  finishWechat(body: { registration?: string; device: string }): Promise<SignedIn> {
    return request(`${this.base}/sign-in/wechat/finish`, { method: "POST", body });
  }

  signOut(): Promise<void> {
    return request(`${this.base}/session`, { method: "DELETE" });
  }

  favourites(units: readonly number[]): Promise<{ units: number[] }> {
    return request(`${this.base}/favourites`, { method: "PUT", body: { units } });
  }

  pick(key: string, unit: number, again?: boolean): Promise<Answer> {
    const body = again ? { key, unit, again } : { key, unit };
    return request(`${this.base}/picks`, { method: "POST", body, timeoutMs: PICK_TIMEOUT_MS });
  }

  ask(key: string): Promise<Answer> {
    return request(`${this.base}/picks/${encodeURIComponent(key)}/ask`, { method: "POST", timeoutMs: ASK_TIMEOUT_MS });
  }

  giveUp(claim: Claim): Promise<Claim> {
    const body = { generation: claim.generation };
    return request(`${this.base}/claims/${encodeURIComponent(claim.id)}/give-up`, { method: "POST", body });
  }

  requestDevice(): Promise<void> {
    return request(`${this.base}/devices/request`, { method: "POST" });
  }

  agreeDevice(session: string): Promise<void> {
    return request(`${this.base}/devices/agree`, { method: "POST", body: { session } });
  }
}
