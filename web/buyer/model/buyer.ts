// Ties the sale, the person and the tap together for one opening. Components read from here and call its few verbs.
import { computed, reactive, ref, shallowRef, watch } from "vue";
import type { Kind, RegistrationChoice } from "@shared/api/buyer";
import { statusName, type StatusName } from "@shared/board";
import { Problem } from "@shared/http";
import { action, activeClaims, type Situation } from "./action";
import { Door } from "./api";
import { deviceLabel } from "./device";
import { add, move, remove } from "./favourites";
import { noFilters, type Filters } from "./filters";
import { Pending, deviceStore } from "./pending";
import { Person } from "./person";
import { PickRunner } from "./runner";
import { Sale } from "./sale";
import { onReturn } from "./wake";
import { KNOWN, Wechat, wayBack } from "./wechat";

export type Sheet = "sign-in" | "account" | "filters" | "favourites" | "claim" | null;

export class Buyer {
  readonly sale: Sale;
  readonly person: Person;
  readonly runner: PickRunner;
  readonly wechat = new Wechat();
  readonly filters: Filters = reactive({ ...noFilters });
  readonly selected = ref<number | null>(null);
  readonly building = ref("");
  readonly sheet = ref<Sheet>(null);
  /** The claim whose sheet is open. */
  readonly claimId = ref("");
  readonly busy = ref(false);
  readonly fault = shallowRef<{ code: string; params: Record<string, unknown> } | null>(null);

  readonly situation = computed<Situation>(() => this.read());
  readonly action = computed(() => action(this.situation.value));
  /** WeChat is offered where it works; opening a link never asks for it. */
  readonly offersWechat = computed(() => this.wechat.works.value && this.sale.opening.value !== null && this.sale.opening.value.wechat === true);
  readonly openClaim = computed(() => this.person.claims.value.filter((c) => c.id === this.claimId.value)[0] || null);
  readonly mine = computed(() => activeClaims(this.person.claims.value).map((c) => c.unit));

  private unhook: (() => void) | null = null;

  constructor(opening: string) {
    const door = new Door(opening);
    const store = deviceStore();
    const pending = new Pending(opening, store);
    this.sale = new Sale(door, {
      frame: (frame) => {
        this.runner.frame(frame);
        this.person.frame(frame);
      },
      socketLost: () => this.runner.socketLost(),
      round: () => (this.person.me.value ? this.person.refresh() : Promise.resolve()),
    });
    this.runner = new PickRunner({
      door,
      feed: this.sale.feed,
      pending,
      signedOut: () => this.person.signedOut(),
      claimed: (claim) => this.person.claimed(claim),
    });
    this.person = new Person({
      door,
      store,
      favouritesMax: () => (this.sale.opening.value ? this.sale.opening.value.favourites_max : 10),
      claimsChanged: (claims) => this.runner.claims(claims),
      known: (registration, fresh) => {
        // A socket opened before the sign-in is anonymous: it must say hello again.
        if (fresh) this.sale.feed.restart();
        this.runner.restore(registration);
      },
    });
    watch(this.sale.units, (units) => {
      if (units && !units.buildings.some((b) => b.id === this.building.value)) {
        const first = units.buildings[0];
        this.building.value = first ? first.id : "";
      }
    });
  }

  start(): void {
    this.sale.start();
    void this.comeBack();
    this.unhook = onReturn(() => {
      this.runner.returned();
      void this.sale.truth();
      void this.person.refresh();
    });
  }

  stop(): void {
    if (this.unhook) this.unhook();
    this.sale.stop();
  }

  label(unit: number): string {
    const units = this.sale.units.value;
    return units ? units.label(unit) : `#${unit}`;
  }

  status(unit: number): StatusName {
    return statusName(this.sale.cells.at(unit));
  }

  /** Opens a unit's card; the same unit again closes it. A "no" that was read makes room. */
  select(unit: number | null): void {
    this.selected.value = unit === this.selected.value ? null : unit;
    if (this.runner.state.value.at !== "waiting") this.runner.dismiss();
  }

  show(unit: number): void {
    const units = this.sale.units.value;
    const house = units && units.buildingOf(unit);
    if (house) this.building.value = house.id;
    if (this.selected.value !== unit) this.select(unit);
  }

  pick(unit: number): void {
    const me = this.person.me.value;
    if (!me) {
      this.sheet.value = "sign-in";
      return;
    }
    this.selected.value = unit;
    this.person.notice.value = null;
    this.runner.tap(unit, me.registration.code);
  }

  isFavourite(unit: number): boolean {
    return this.person.favourites.value.indexOf(unit) >= 0;
  }

  favour(unit: number): void {
    const max = this.sale.opening.value ? this.sale.opening.value.favourites_max : 0;
    const result = add(this.person.favourites.value, unit, max);
    if ("full" in result) this.person.notice.value = { say: "favourites-full", max: result.full };
    else this.person.setFavourites(result.units);
  }

  unfavour(unit: number): void {
    this.person.setFavourites(remove(this.person.favourites.value, unit));
  }

  moveFavourite(unit: number, by: -1 | 1): void {
    this.person.setFavourites(move(this.person.favourites.value, unit, by));
  }

  showClaim(id: string): void {
    this.claimId.value = id;
    this.sheet.value = "claim";
    this.runner.dismiss();
  }

  /** Runs a request of a sheet or banner: one at a time, its refusal shown where the buyer looks. */
  async attempt(run: () => Promise<void>): Promise<boolean> {
    if (this.busy.value) return false;
    this.busy.value = true;
    this.fault.value = null;
    try {
      await run();
      return true;
    } catch (error) {
      const code = error instanceof Problem ? error.code : "NO_ANSWER";
      this.fault.value = { code, params: error instanceof Problem ? error.params : {} };
      // A sheet shows its own fault; a button on the page has only the notice.
      if (this.sheet.value === null) this.person.notice.value = { say: "failed", code };
      return false;
    } finally {
      this.busy.value = false;
    }
  }

  async giveUp(): Promise<void> {
    const claim = this.openClaim.value;
    if (!claim) return;
    const done = await this.attempt(async () => this.person.claimed(await this.sale.door.giveUp(claim)));
    if (done) this.sheet.value = null;
    else void this.person.refresh();
  }

  /** Leaves for WeChat, which leads back to this page. */
  async leaveForWechat(): Promise<void> {
    this.wechat.clear();
    await this.attempt(async () => {
      location.assign((await this.sale.door.startWechat()).authorize_url);
    });
  }

  /** Signs in whom WeChat has named. What keeps it from that is shown in the sign-in sheet. */
  async finishWechat(registration?: string): Promise<void> {
    await this.attempt(async () => {
      try {
        this.person.signedIn(await this.sale.door.finishWechat({ registration, device: deviceLabel() }));
        this.wechat.clear();
        this.sheet.value = null;
      } catch (error) {
        const choices = error instanceof Problem ? choicesOf(error) : null;
        if (choices) this.wechat.choices.value = choices;
        else if (error instanceof Problem && error.code === "WECHAT_UNBOUND") this.wechat.binds.value = true;
        else this.wechat.end.value = error instanceof Problem ? error.code : "NO_ANSWER";
      }
    });
  }

  private async comeBack(): Promise<void> {
    const back = wayBack(location.search);
    if (back) history.replaceState(null, "", location.pathname + back.search);
    // First: an answer to who I am that was asked for before the sign-in would end it.
    await this.person.refresh();
    if (!back || this.person.me.value) return;
    this.wechat.works.value = true;
    this.sheet.value = "sign-in";
    if (back.end === KNOWN) await this.finishWechat();
    else this.wechat.end.value = back.end;
  }

  private read(): Situation {
    const { sale, person } = this;
    const opening = sale.opening.value;
    const me = person.me.value;
    const quota = me ? me.registration.quota : opening ? opening.quota : null;
    return {
      phase: sale.phase.value,
      paused: opening !== null && opening.paused,
      signedIn: me !== null,
      device: person.device.value,
      eligibility: me ? me.registration.eligibility : "passed",
      pick: this.runner.state.value,
      selected: this.selected.value,
      favourites: person.favourites.value,
      claims: person.claims.value,
      isFree: (unit) => sale.cells.isFree(unit),
      kindOf: (unit) => this.kindOf(unit),
      quota: (kind) => (quota && typeof quota[kind] === "number" ? quota[kind] : 1),
    };
  }

  private kindOf(unit: number): Kind {
    const found = this.sale.units.value && this.sale.units.value.get(unit);
    return found ? found.kind : "home";
  }
}

/** The registrations among which a refused sign-in asks to choose. */
export function choicesOf(problem: Problem): RegistrationChoice[] | null {
  const choices = problem.code === "CHOOSE_REGISTRATION" ? problem.params["choices"] : null;
  return Array.isArray(choices) ? (choices as RegistrationChoice[]) : null;
}
