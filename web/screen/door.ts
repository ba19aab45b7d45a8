/** The buyers' door as the screen uses it: anonymous reads of one opening. */
import type { BoardSnapshot, Catalogue, Opening, Screen } from "@shared/api/buyer";
import { request } from "@shared/http";
import type { Door } from "./logic/truth";

const ROOT = "/api/v1/openings";

export function doorOf(opening: string): Door {
  const at = `${ROOT}/${encodeURIComponent(opening)}`;
  return {
    opening: () => request<Opening>(at),
    catalogue: (hash) => request<Catalogue>(`${at}/catalogue/${encodeURIComponent(hash)}`, { timeoutMs: 30_000 }),
    screen: () => request<Screen>(`${at}/screen`),
    board: () => request<BoardSnapshot>(`${at}/board`),
  };
}

export async function listOpenings(): Promise<Opening[]> {
  return (await request<{ openings: Opening[] }>(ROOT)).openings;
}

export function socketUrl(opening: string): string {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${location.host}${ROOT}/${encodeURIComponent(opening)}/ws`;
}
