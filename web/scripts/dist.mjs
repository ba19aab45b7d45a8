// What the checks of the built pages share: which files a page loads first.
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const dist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");

export function fail(message) {
  console.error(message);
  process.exitCode = 1;
}

export function needDist() {
  if (existsSync(join(dist, "buyer", "index.html"))) return;
  console.error("web/dist is missing: run `npm run build` first.");
  process.exit(1);
}

/** Every file below a folder, as paths from it. */
export function filesBelow(folder, prefix = "") {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path, `${prefix}${name}/`) : [`${prefix}${name}`];
  });
}

/**
 * The files that a page cannot paint without: its HTML, what the HTML names, and what those scripts import statically.
 * Dynamic imports (`import("…")`) come later and do not count.
 */
export function firstLoad(html) {
  const seen = new Set([html]);
  const queue = [];
  const text = readFileSync(join(dist, html), "utf8");
  for (const [, url] of text.matchAll(/(?:src|href)="(\/[^"]+\.(?:js|css))"/g)) queue.push(url.slice(1));
  while (queue.length > 0) {
    const file = queue.pop();
    if (seen.has(file)) continue;
    seen.add(file);
    if (!file.endsWith(".js")) continue;
    const script = readFileSync(join(dist, file), "utf8");
    for (const [, url] of script.matchAll(/(?:from|import)\s*"(\.{1,2}\/[^"]+\.js)"/g)) queue.push(join(dirname(file), url));
  }
  return [...seen];
}
