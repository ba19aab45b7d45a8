// Carries out what the pick machine decides: over the socket when one is open, else over HTTP with the same key.
import { shallowRef } from "vue";
import type { Answer, Claim, ErrorFrame, ServerFrame } from "@shared/api/buyer";
import type { Feed } from "@shared/feed";
import { NoAnswer, Problem } from "@shared/http";
import type { Door } from "./api";
import type { Pending } from "./pending";
import { idle, newKey, step, type PickEffect, type PickEvent, type PickState } from "./pick";

export interface RunnerParts {
  door: Pick<Door, "pick" | "ask">;
  feed: Pick<Feed, "send">;
  pending: Pending;
  wallMs?: () => number;
  /** The server no longer knows who this is. */
  signedOut: () => void;
  /** A claim came with an answer. */
  claimed: (claim: Claim) => void;
}

/** What an error frame's code would be as an HTTP status. A server in trouble decided nothing: such a pick is repeated. */
const STATUS: Record<string, number> = {
  SLOW_DOWN: 429, SESSION_ENDED: 401,
  OVERLOADED: 503, DRAINING: 503, NOT_READY: 503, TIMED_OUT: 503, INTERNAL: 500,
};

export class PickRunner {
  readonly state = shallowRef<PickState>(idle);
  private readonly parts: RunnerParts;
  private readonly wallMs: () => number;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private viaSocket = false;
  private asks = 0;

  constructor(parts: RunnerParts) {
    this.parts = parts;
    this.wallMs = parts.wallMs || (() => Date.now());
  }

  tap(unit: number, registration: string): void {
    this.asks = 0;
    this.handle({ on: "tap", attempt: { key: newKey(), unit, registration, tappedMs: this.wallMs() } });
  }

  /** After a reload or a sign-in: what was left open is asked, the newest one where the buyer sees it. */
  restore(registration: string): void {
    const [newest, ...older] = this.parts.pending.of(registration);
    if (newest) this.handle({ on: "restored", attempt: newest });
    older.forEach((attempt) => this.askQuietly(attempt.key));
  }

  returned(): void {
    this.handle({ on: "returned", nowMs: this.wallMs() });
  }

  dismiss(): void {
    this.handle({ on: "dismissed" });
  }

  claims(claims: readonly Claim[]): void {
    this.handle({ on: "claims", claims });
  }

  /** The socket broke: only news if the last sending went that way. */
  socketLost(): void {
    if (this.viaSocket) this.handle({ on: "lost", nowMs: this.wallMs() });
  }

  frame(frame: ServerFrame): void {
    if (frame.t === "answer") {
      const { t: _, ...answer } = frame;
      this.take(answer);
    } else if (frame.t === "error" && frame.key) {
      this.refusedFrame(frame, frame.key);
    }
  }

  private refusedFrame(frame: ErrorFrame, key: string): void {
    if (frame.code === "SESSION_ENDED") this.parts.signedOut();
    const status = STATUS[frame.code] || 409;
    this.handle({ on: "refused", key, status, code: frame.code, params: frame.params || {}, nowMs: this.wallMs() });
  }

  private handle(event: PickEvent): void {
    const [next, effects] = step(this.state.value, event);
    this.state.value = next;
    effects.forEach((effect) => this.run(effect));
  }

  private run(effect: PickEffect): void {
    const { door, feed, pending } = this.parts;
    switch (effect.do) {
      case "keep":
        return pending.keep(effect.attempt);
      case "forget":
        return pending.forget(effect.key);
      case "wait":
        if (this.timer !== null) clearTimeout(this.timer);
        this.timer = effect.ms === null ? null : setTimeout(() => this.handle({ on: "due" }), effect.ms);
        return;
      case "pick":
        this.viaSocket = feed.send({ t: "pick", key: effect.key, unit: effect.unit, ...(effect.again && { again: true }) });
        if (!this.viaSocket) this.over(effect.key, door.pick(effect.key, effect.unit, effect.again));
        return;
      case "ask":
        // A socket that came back from a frozen tab may be dead without knowing, so that the first question goes
        // over HTTP; should that way be the broken one, every second question takes the socket.
        this.viaSocket = this.asks++ % 2 === 1 && feed.send({ t: "ask", key: effect.key });
        if (!this.viaSocket) this.over(effect.key, door.ask(effect.key));
        return;
    }
  }

  private over(key: string, call: Promise<Answer>): void {
    call.then(
      (answer) => this.take(answer),
      (error) => {
        if (error instanceof Problem) {
          if (error.status === 401) this.parts.signedOut();
          const { status, code, params } = error;
          const wait = error.retryAfterMs;
          this.handle({
            on: "refused", key, status, code, nowMs: this.wallMs(),
            params: wait === null ? params : { ...params, retry_after_ms: wait },
          });
        } else if (error instanceof NoAnswer && error.why === "network") {
          this.handle({ on: "lost", nowMs: this.wallMs() });
        }
        // Timed out: the machine's own timer is the shorter one and has asked already.
      },
    );
  }

  private take(answer: Answer): void {
    this.handle({ on: "answer", answer });
    if (answer.answer === "yes") this.parts.claimed(answer.claim);
  }

  private askQuietly(key: string): void {
    this.parts.door.ask(key).then(
      (answer) => {
        if (answer.answer === "yes") this.parts.claimed(answer.claim);
        if (answer.answer === "yes" || answer.answer === "no") this.parts.pending.forget(key);
      },
      // Still kept: the next reload asks again.
      () => undefined,
    );
  }
}
