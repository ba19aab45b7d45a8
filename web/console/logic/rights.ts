/**
 * What each role may do, as the pages show it. The server is the judge: this table only keeps the pages from
 * offering what would be refused. A 403 that comes all the same is shown in words.
 */
export const RIGHTS = [
  "view",
  "prepare",
  "people",
  "control",
  "cashier",
  "export",
  "outbox",
  "staff",
  "audit",
  "rehearse",
] as const;
export type Right = (typeof RIGHTS)[number];

export const ROLES = ["admin", "manager", "cashier", "auditor"] as const;
/** `crowd` exists only in the demo and is never offered in a form. */
export type Role = (typeof ROLES)[number] | "crowd";

const TABLE: Record<Role, readonly Right[]> = {
  admin: ["view", "prepare", "people", "control", "cashier", "export", "outbox", "staff", "audit", "rehearse"],
  manager: ["view", "people", "control", "cashier", "export", "rehearse"],
  cashier: ["view", "cashier"],
  auditor: ["view", "people", "export", "audit"],
  crowd: ["cashier", "outbox"],
};

export function may(role: Role | undefined, right: Right): boolean {
  return role !== undefined && (TABLE[role] ?? []).includes(right);
}
