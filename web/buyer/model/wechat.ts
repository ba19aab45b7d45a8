// Sign-in by WeChat, as far as the page knows of it: whether to offer it, and how WeChat led back.
import { ref } from "vue";
import type { RegistrationChoice } from "@shared/api/buyer";

/** How WeChat led back, or why the sign-in could not be finished; the words are `wechat.CODE`. */
export type WechatEnd = string;

/** WeChat has said who it is: the sign-in is to be finished. */
export const KNOWN = "WECHAT_KNOWN";
/** The page is a snapshot: it can be read, and nothing on it signs anybody in. */
export const SNAPSHOT = "WECHAT_SNAPSHOT";

/** WeChat's own browser; or whoever tries it out elsewhere, with `?in=wechat`. */
export function inWechat(agent: string = navigator.userAgent, search: string = location.search): boolean {
  return /MicroMessenger/i.test(agent) || /[?&]in=wechat(&|$)/.test(search);
}

/** What the address says of the way back, and the address without it: a link that is shared must not say it again. */
export function wayBack(search: string): { end: WechatEnd; search: string } | null {
  const found = /[?&]wechat=([A-Z_]{1,40})(?=&|$)/.exec(search);
  if (!found) return null;
  const rest = search.replace(found[0], "").replace(/^&/, "?");
  return { end: found[1] as string, search: rest };
}

/** What the sign-in sheet shows of it. */
export class Wechat {
  /** WeChat has led back to this page, so it works here, whatever the browser calls itself. */
  readonly works = ref(inWechat());
  readonly end = ref<WechatEnd | null>(null);
  /** WeChat's user is known and has no proven phone yet: the next code binds it. */
  readonly binds = ref(false);
  readonly choices = ref<RegistrationChoice[]>([]);

  clear(): void {
    this.end.value = null;
    this.binds.value = false;
    this.choices.value = [];
  }
}
