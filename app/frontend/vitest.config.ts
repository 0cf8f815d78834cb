import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: {
      "@": here("."),
      // A guard of Next's bundler; here everything runs in one process.
      "next/headers": here("./tests/support/next-headers.ts"),
      "server-only": here("./tests/support/empty.ts"),
    },
  },
  oxc: { jsx: { runtime: "automatic" } },
  test: {
    include: ["tests/**/*.test.{ts,tsx}"],
    setupFiles: ["tests/support/setup.ts"],
    restoreMocks: true,
    unstubEnvs: true,
    testTimeout: 10_000,
  },
});
