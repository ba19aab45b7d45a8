import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

// The pages are blind to each other and share only `shared/`, which knows none of them. What one page needs of another
// belongs there, or its bytes would be loaded by people who never see it.
const ROOT = resolve(process.cwd());
const PAGES = ["buyer", "console", "screen", "demo"];

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|vue)$/.test(name))
    .map((name) => join(folder, name));
}

/** The folder of `web/` that an import leads to; "" for a package. */
function leadsTo(file: string, target: string): string {
  if (target.startsWith("@shared/")) return "shared";
  if (!target.startsWith(".")) return "";
  return relative(ROOT, resolve(ROOT, file, "..", target)).split("/")[0] as string;
}

describe("who may import whom", () => {
  it.each([...PAGES, "shared"])("%s knows only itself and what is shared", (folder) => {
    const files = sources(folder);
    expect(files.length).toBeGreaterThan(0);
    const strangers = files.flatMap((file) =>
      [...readFileSync(join(ROOT, file), "utf8").matchAll(/(?:from|import)\s*\(?\s*["']([^"']+)["']/g)]
        .map((match) => leadsTo(file, match[1] as string))
        .filter((to) => to !== "" && to !== folder && to !== "shared")
        .map((to) => `${file} → ${to}`),
    );
    expect(strangers).toEqual([]);
  });

  it("sees an import that strays, and none in a package", () => {
    expect(leadsTo("console/parts/A.vue", "../../buyer/model/pick")).toBe("buyer");
    expect(leadsTo("console/parts/A.vue", "../api")).toBe("console");
    expect(leadsTo("console/api.ts", "element-plus/es/components/button/index.mjs")).toBe("");
  });
});
