// My wish list: an ordered list of units with a limit. Pure functions; where it is stored is another's business.
export type Changed = { units: number[] } | { full: number };

export function add(units: readonly number[], unit: number, max: number): Changed {
  if (units.indexOf(unit) >= 0) return { units: units.slice() };
  if (units.length >= max) return { full: max };
  return { units: units.concat(unit) };
}

export function remove(units: readonly number[], unit: number): number[] {
  return units.filter((u) => u !== unit);
}

/** Moves a unit up (-1) or down (+1); at the ends nothing moves. */
export function move(units: readonly number[], unit: number, by: -1 | 1): number[] {
  const from = units.indexOf(unit);
  const to = from + by;
  const next = units.slice();
  if (from < 0 || to < 0 || to >= next.length) return next;
  next[from] = next[to] as number;
  next[to] = unit;
  return next;
}

/** What was chosen before signing in joins what the server already has; the server's order leads. */
export function merge(server: readonly number[], local: readonly number[], max: number): number[] {
  const next = server.slice();
  for (const unit of local) if (next.indexOf(unit) < 0 && next.length < max) next.push(unit);
  return next;
}
