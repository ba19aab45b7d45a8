/** What the status of all gateways says, row by row. Pure. */
import type {
  GatewayStatus,
  OpeningHead,
  OpeningStatus,
  RedisHealth,
  Status,
  Trouble,
} from "@shared/api/staff";
import type { Tone } from "./ops";

/** It may serve somebody; what it said last is of now. */
export const isAlive = (gateway: GatewayStatus): boolean => gateway.state !== "silent" && gateway.state !== "gone";

export const gatewayTone: Record<GatewayStatus["state"], Tone> = {
  starting: "warning",
  ready: "success",
  draining: "warning",
  gone: "info",
  silent: "danger",
};

export const gate2Tone: Record<OpeningStatus["gate2"]["state"], Tone> = {
  off: "info",
  ready: "success",
  lost: "danger",
  rebuilding: "warning",
};

/** How long a gateway has been as it is: up, or without a word. */
export function lasts(gateway: GatewayStatus, now_ms: number): number {
  return Math.max(0, now_ms - (isAlive(gateway) ? gateway.started_ms : gateway.seen_ms));
}

/** One Redis, and how each living gateway reaches it; in the order of the settings. */
export interface RedisSeen {
  address: string;
  at: { gateway: string; redis: RedisHealth }[];
}

export function redisSeen(status: Status): RedisSeen[] {
  const found = new Map<string, RedisSeen>();
  for (const gateway of status.gateways.filter(isAlive)) {
    for (const redis of gateway.report?.redis ?? []) {
      const seen = found.get(redis.address) ?? { address: redis.address, at: [] };
      seen.at.push({ gateway: gateway.name, redis });
      found.set(redis.address, seen);
    }
  }
  return [...found.values()];
}

/** An opening at a living gateway; without one where no gateway runs it. */
export interface OpeningAt {
  head: OpeningHead;
  gateway: string | null;
  opening: OpeningStatus | null;
}

export function openingsSeen(status: Status): OpeningAt[] {
  return status.openings.flatMap((head) => {
    const at: OpeningAt[] = status.gateways.filter(isAlive).flatMap((gateway) => {
      const opening = gateway.report?.openings.find((one) => one.id === head.id);
      return opening ? [{ head, gateway: gateway.name, opening }] : [];
    });
    return at.length > 0 ? at : [{ head, gateway: null, opening: null }];
  });
}

/** Where a trouble is, by the names that people use. */
export function whereIs(trouble: Trouble, status: Status): string[] {
  const gateway = status.gateways.find((one) => one.id === trouble.gateway)?.name ?? trouble.gateway;
  const opening = status.openings.find((one) => one.id === trouble.opening)?.name ?? trouble.opening;
  return [gateway, opening, trouble.redis].filter((name): name is string => name !== null);
}

export interface Span {
  key: "span.s" | "span.m" | "span.h" | "span.d";
  params: Record<string, number>;
}

/** A duration in the two units that matter. */
export function span(ms: number): Span {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return { key: "span.s", params: { s } };
  if (s < 3600) return { key: "span.m", params: { m: Math.floor(s / 60), s: s % 60 } };
  if (s < 86_400) return { key: "span.h", params: { h: Math.floor(s / 3600), m: Math.floor((s % 3600) / 60) } };
  return { key: "span.d", params: { d: Math.floor(s / 86_400), h: Math.floor((s % 86_400) / 3600) } };
}
