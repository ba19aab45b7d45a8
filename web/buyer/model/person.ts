// Me: who is signed in, what I wish for, what I hold, which device picks. The server's word is the truth; what is
// changed here is shown at once and taken back if the server refuses.
import { computed, ref, shallowRef } from "vue";
import type { Claim, Device, DeviceRequest, Me, ServerFrame, SignedIn } from "@shared/api/buyer";
import { Problem } from "@shared/http";
import type { Door } from "./api";
import { merge } from "./favourites";
import type { Store } from "./pending";

export type Notice =
  | { say: "lapsed" | "released" | "given_up" | "sold"; unit: number }
  | { say: "favourites-full"; max: number }
  | { say: "failed"; code: string }
  | { say: "favourites-unsaved" | "device-picks" | "device-viewer" | "device-asked" | "signed-out" | "wechat-bound" };

export interface PersonParts {
  door: Door;
  store: Store | null;
  favouritesMax: () => number;
  claimsChanged: (claims: readonly Claim[]) => void;
  /** Signed in, by a kept session or just now. */
  known: (registration: string, fresh: boolean) => void;
}

export class Person {
  readonly me = shallowRef<Me | null>(null);
  /** Whether the server was asked: before that the page does not say "sign in". */
  readonly asked = ref(false);
  readonly favourites = ref<number[]>([]);
  readonly notice = shallowRef<Notice | null>(null);
  readonly requested = ref(false);
  readonly claims = computed<readonly Claim[]>(() => (this.me.value ? this.me.value.claims : []));
  readonly device = computed<Device>(() => (this.me.value ? this.me.value.device : "picks"));
  /** Another device asks to pick. The wire knows only "agree": what was declined here is not shown again. */
  readonly request = computed<DeviceRequest | null>(() => {
    const request = this.me.value && this.me.value.device_request;
    return request && this.declined.value.indexOf(request.session) < 0 ? request : null;
  });

  private readonly parts: PersonParts;
  private readonly localName: string;
  private readonly declined = ref<string[]>([]);
  private saved: number[] = [];
  private saving = false;
  private unsaved = false;

  constructor(parts: PersonParts) {
    this.parts = parts;
    this.localName = `kp.favourites.${parts.door.opening}`;
    this.favourites.value = this.localFavourites();
  }

  /** Asks who I am. No answer changes nothing. */
  async refresh(): Promise<void> {
    try {
      this.take(await this.parts.door.me(), false);
      if (this.unsaved) void this.save();
    } catch (error) {
      if (error instanceof Problem && error.status === 401) this.signedOut();
    }
  }

  signedIn(answer: SignedIn): void {
    const local = this.localFavourites();
    this.take(answer.me, true);
    const merged = merge(answer.me.favourites, local, this.parts.favouritesMax());
    this.writeLocal([]);
    if (merged.length > answer.me.favourites.length) this.setFavourites(merged);
    if (answer.wechat_bound) this.notice.value = { say: "wechat-bound" };
  }

  async signOut(): Promise<void> {
    await this.parts.door.signOut();
    this.signedOut();
    this.notice.value = null;
  }

  /** The server no longer knows this session. A buyer must not find that out at the tap. */
  signedOut(): void {
    this.asked.value = true;
    if (!this.me.value) return;
    this.notice.value = { say: "signed-out" };
    this.me.value = null;
    this.requested.value = false;
    this.favourites.value = this.localFavourites();
  }

  setFavourites(units: number[]): void {
    this.favourites.value = units;
    if (!this.me.value) return this.writeLocal(units);
    this.unsaved = true;
    void this.save();
  }

  frame(frame: ServerFrame): void {
    const me = this.me.value;
    switch (frame.t) {
      case "hello":
        // The socket does not know me though the page does: either the session ended, or it was opened before.
        if (me && frame.device === "anonymous") void this.refresh();
        else if (me && frame.device !== "anonymous" && frame.device !== me.device) this.deviceChanged(frame.device, null);
        break;
      case "mine":
        if (me) this.setClaims(frame.claims);
        break;
      case "claim":
        this.claimed(frame.claim);
        break;
      case "device":
        this.deviceChanged(frame.device, frame.request || null);
        break;
      case "error":
        if (frame.code === "SESSION_ENDED") void this.refresh();
        break;
      default:
        break;
    }
  }

  claimed(claim: Claim): void {
    const before = this.claims.value.filter((c) => c.id === claim.id)[0];
    // Frames and answers travel different ways; an older word about a claim is not news.
    if (before && before.seq > claim.seq) return;
    this.setClaims(this.claims.value.filter((c) => c.id !== claim.id).concat(claim));
  }

  async requestDevice(): Promise<void> {
    await this.parts.door.requestDevice();
    this.requested.value = true;
    this.notice.value = { say: "device-asked" };
  }

  async agreeDevice(session: string): Promise<void> {
    await this.parts.door.agreeDevice(session);
    this.deviceChanged("viewer", null);
  }

  declineRequest(): void {
    const request = this.request.value;
    if (request) this.declined.value = this.declined.value.concat(request.session);
  }

  private take(me: Me, fresh: boolean): void {
    const first = this.me.value === null;
    this.asked.value = true;
    this.tellOfClaims(this.claims.value, me.claims);
    this.me.value = me;
    this.saved = me.favourites;
    if (!this.unsaved) this.favourites.value = me.favourites.slice();
    if (me.device === "picks") this.requested.value = false;
    this.parts.claimsChanged(me.claims);
    if (first || fresh) this.parts.known(me.registration.code, fresh);
  }

  private setClaims(claims: readonly Claim[]): void {
    const me = this.me.value;
    if (!me) return;
    this.tellOfClaims(me.claims, claims);
    this.me.value = { ...me, claims: claims.slice() };
    this.parts.claimsChanged(claims);
  }

  private tellOfClaims(before: readonly Claim[], after: readonly Claim[]): void {
    for (const claim of after) {
      const old = before.filter((c) => c.id === claim.id)[0];
      if (!old || old.state === claim.state) continue;
      const { state, unit } = claim;
      if (state === "lapsed" || state === "released" || state === "given_up" || state === "sold") {
        this.notice.value = { say: state, unit };
      }
    }
  }

  private deviceChanged(device: Device, request: DeviceRequest | null): void {
    const me = this.me.value;
    if (!me) return;
    if (device !== me.device) {
      this.requested.value = false;
      this.notice.value = { say: device === "picks" ? "device-picks" : "device-viewer" };
    }
    this.me.value = { ...me, device, device_request: request };
  }

  /** One saving at a time; what changed meanwhile goes with the next. */
  private async save(): Promise<void> {
    if (this.saving || !this.me.value) return;
    this.saving = true;
    const units = this.favourites.value.slice();
    try {
      this.saved = (await this.parts.door.favourites(units)).units;
      if (same(units, this.favourites.value)) {
        this.unsaved = false;
        this.favourites.value = this.saved.slice();
      }
    } catch (error) {
      if (error instanceof Problem && error.status < 500 && error.status !== 429) {
        this.unsaved = false;
        this.favourites.value = this.saved.slice();
        const max = error.params["max"];
        this.notice.value =
          error.code === "FAVOURITES_TOO_MANY" && typeof max === "number"
            ? { say: "favourites-full", max }
            : { say: "favourites-unsaved" };
        if (error.status === 401) this.signedOut();
      }
      // No answer: kept as unsaved; the next refresh tries again.
    } finally {
      this.saving = false;
    }
    if (this.unsaved && !same(units, this.favourites.value)) void this.save();
  }

  private localFavourites(): number[] {
    try {
      const value: unknown = JSON.parse((this.parts.store && this.parts.store.getItem(this.localName)) || "[]");
      return Array.isArray(value) ? value.filter((u): u is number => typeof u === "number") : [];
    } catch {
      return [];
    }
  }

  private writeLocal(units: readonly number[]): void {
    try {
      if (!this.parts.store) return;
      if (units.length === 0) this.parts.store.removeItem(this.localName);
      else this.parts.store.setItem(this.localName, JSON.stringify(units));
    } catch {
      // Storage full: the list lasts as long as the page.
    }
  }
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((unit, i) => unit === b[i]);
}
