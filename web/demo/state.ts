// What the supervisor says, asked twice a second, and the page's three buttons.
// The types mirror `src/demo/state.rs` and the crowd's figures; the page shows them and decides nothing.
import { onMounted, onUnmounted, ref, type Ref } from "vue";

export interface Figures {
  state: "signing_in" | "tapping" | "cashier" | "done";
  buyers: number;
  signed_in: number;
  sign_in_failed: number;
  connected: number;
  favourites: number;
  taps: number;
  taps_first_second: number;
  yes: number;
  no: number;
  unanswered: number;
  reasons: Record<string, number>;
  asked: number;
  reconnects: number;
  paid: number;
  gave_up: number;
  finished: number;
  answer_ms_p50: number | null;
  answer_ms_p99: number | null;
}

export interface DemoState {
  now_ms: number;
  stage: "loading" | "starting" | "running" | "auditing" | "done";
  opening: {
    id: string;
    name: string;
    project_name: string;
    start_ms: number;
    end_ms: number;
    units: number;
    registrations: number;
  } | null;
  links: { what: "demo" | "buyer" | "console" | "screen" | "wechat"; url: string; qr: string[] | null }[];
  staff: { login: string; password: string } | null;
  newcomers: { registration: string; phone: string; code: string | null; code_sent_ms: number | null }[];
  server: { state: "down" | "starting" | "up" | "failed"; pid: number | null; kills: number; back_ms: number | null };
  /** Free, held, sold, withheld. */
  board: [number, number, number, number] | null;
  crowd: Figures | null;
  verdict: { clean: boolean; line_zh: string; line_en: string } | null;
  trouble: string | null;
}

export type Button = "kill" | "again" | "codes";

const EVERY_MS = 500;

/** The latest state, and whether the supervisor answers at all. */
export function useDemo(): { state: Ref<DemoState | null>; gone: Ref<boolean>; offsetMs: Ref<number> } {
  const state = ref<DemoState | null>(null);
  const gone = ref(false);
  // Both clocks are this machine's, but the page may be looked at through a tunnel.
  const offsetMs = ref(0);
  let timer = 0;

  async function look(): Promise<void> {
    try {
      const response = await fetch("/api/demo/state");
      const next = (await response.json()) as DemoState;
      state.value = next;
      offsetMs.value = next.now_ms - Date.now();
      gone.value = false;
    } catch {
      gone.value = true;
    }
    timer = window.setTimeout(look, EVERY_MS);
  }

  onMounted(look);
  onUnmounted(() => window.clearTimeout(timer));
  return { state, gone, offsetMs };
}

/** True when the supervisor has taken the order; it refuses while it is busy with one. */
export async function press(button: Button): Promise<boolean> {
  try {
    // The header tells our own page from another site's form, which cannot send it.
    const response = await fetch("/api/demo/" + button, { method: "POST", headers: { "x-kaipan-demo": "1" } });
    return response.ok;
  } catch {
    return false;
  }
}
