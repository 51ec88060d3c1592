import { defineConfig } from "vitest/config";

/** Fast tests of one workspace first; then those that start guests, one file after the other. */
export default defineConfig({
  test: {
    reporters: process.env.CI
      ? ["default", ["json", { outputFile: ".cache/test-results.json" }]]
      : ["default"],
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "{packages,services}/*/test/**/*.test.ts",
            "{loadtest,bench}/test/**/*.test.ts",
          ],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: "system",
          include: ["test/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
          fileParallelism: false,
        },
      },
    ],
  },
});
