import { fileURLToPath, URL } from "node:url";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

const entry = (name: string) => fileURLToPath(new URL(`./${name}/index.html`, import.meta.url));

// Two builds into one folder. The buyer's page stands alone: what it shares with the others would otherwise be cut into
// files that carry their needs too, and a phone on a weak line pays for each request and each byte.
const inputs = (mode: string): Record<string, string> =>
  mode === "buyer"
    ? { buyer: entry("buyer") }
    : { console: entry("console"), screen: entry("screen"), demo: entry("demo") };

export default defineConfig(({ mode }) => ({
  plugins: [vue()],
  base: "/",
  resolve: { alias: { "@shared": fileURLToPath(new URL("./shared", import.meta.url)) } },
  build: {
    // WeChat's WebView on older Android phones is Chromium 78 and later; iOS 12 is the oldest Safari we meet.
    target: ["chrome78", "safari12.1"],
    outDir: "dist",
    // `npm run build` builds the others first, on an empty folder.
    emptyOutDir: mode !== "buyer",
    rollupOptions: { input: inputs(mode) },
  },
  test: { environment: "happy-dom", include: ["**/*.test.ts"], exclude: ["node_modules/**", "e2e/**"] },
}));
