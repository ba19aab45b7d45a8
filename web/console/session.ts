/** Who is signed in at this desk. The cookie is the session; this is only what the server said about it. */
import { computed, ref } from "vue";
import type { Staff } from "@shared/api/staff";
import { may, type Right } from "./logic/rights";

export const staff = ref<Staff | null>(null);
/** True when a page was torn away by the end of a session: the sign-in page says so. */
export const ended = ref(false);

/** The server lists the rights of whoever signed in; the table stands in for one that does not. */
export function can(right: Right): boolean {
  return staff.value?.rights?.includes(right) ?? may(staff.value?.role, right);
}

export const roleName = computed(() => staff.value?.role);

/** The organisation wants a second factor first. */
export const mustEnrol = ref(false);

export function signedIn(person: Staff, enrolFirst: boolean): void {
  staff.value = person;
  mustEnrol.value = enrolFirst;
  ended.value = false;
}

export function signedOut(torn: boolean): void {
  ended.value = torn && staff.value !== null;
  staff.value = null;
}
