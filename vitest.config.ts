import { defineConfig } from "vitest/config";

/** Fast tests of one workspace first; then those that start guests, one file after the other. */
export default defineConfig({
  test: {
    reporters: process.env.CI
      ? [
          "default",
          ["json", { outputFile: process.env.OUTSOCK_TEST_RESULTS ?? ".cache/test-results.json" }],
        ]
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
          include: ["test/{chart,conformance,e2e}/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
          fileParallelism: false,
        },
      },
      {
        // npm run test:e2e: a real cluster, named by KUBECONFIG.
        test: {
          name: "cluster",
          include: ["test/cluster/**/*.test.ts"],
          globalSetup: "test/cluster/setup.ts",
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 2 },
          fileParallelism: false,
        },
      },
      {
        // npm run measure:cluster: numbers instead of tests.
        test: {
          name: "measure",
          include: ["test/cluster/measure/*.measure.ts"],
          globalSetup: "test/cluster/setup.ts",
          hookTimeout: 600_000,
          sequence: { groupOrder: 4 },
        },
      },
      {
        // npm run test:containers: Docker.
        test: {
          name: "containers",
          include: ["test/containers/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 3 },
          fileParallelism: false,
        },
      },
    ],
  },
});
