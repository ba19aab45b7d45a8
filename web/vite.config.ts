import { fileURLToPath, URL } from "node:url";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

const entry = (name: string) => fileURLToPath(new URL(`./${name}/index.html`, import.meta.url));

export default defineConfig({
  plugins: [vue()],
  base: "/",
  resolve: { alias: { "@shared": fileURLToPath(new URL("./shared", import.meta.url)) } },
  build: {
    // WeChat's WebView on older Android phones is Chromium 78 and later; iOS 12 is the oldest Safari we meet.
    target: ["chrome78", "safari12.1"],
    outDir: "dist",
    emptyOutDir: true,
    rollupOptions: {
      input: { buyer: entry("buyer"), console: entry("console"), screen: entry("screen"), demo: entry("demo") },
    },
  },
  test: { environment: "happy-dom", include: ["**/*.test.ts"], exclude: ["node_modules/**", "e2e/**"] },
});
