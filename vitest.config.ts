import { defineConfig } from "vitest/config";
import { countReporter } from "./scripts/count-reporter.ts";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "bench/**/*.test.ts", "scripts/**/*.test.ts"],
    exclude: ["**/node_modules/**", "dist/**"],
    reporters: ["default", countReporter],
    pool: "forks",
    testTimeout: 30_000,
  },
});
