import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

import { defineConfig } from "vitest/config";

import { cloudSuites } from "./test/cloud-suites.ts";

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Tests run the sources: the package's own name resolves to them, never to an older build. */
const alias = [
  { find: /^kitaru$/, replacement: source("core/index.ts") },
  { find: /^kitaru\/testing$/, replacement: source("testing/index.ts") },
  { find: /^kitaru\/infra\/([a-z]+)$/, replacement: source("infra/$1/index.ts") },
  { find: /^kitaru\/([a-z]+)$/, replacement: source("adapters/$1/index.ts") },
];

const ignored = ["**/node_modules/**", "dist/**", "**/fixtures/**"];

export default defineConfig({
  resolve: { alias },
  test: {
    // The default leaves a core free, which is half of a small machine.
    maxWorkers: availableParallelism(),
    expect: { poll: { timeout: 15_000 } }, // the default of one second is short on a loaded machine
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["{core,adapters,infra,cli,testing}/**/*.test.ts"],
          exclude: ignored,
          pool: "threads",
          testTimeout: 20_000, // property tests on a loaded machine
        },
      },
      {
        extends: true,
        test: {
          name: "cross",
          include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
          exclude: [...ignored, cloudSuites],
          // These start processes, change directories and kill things.
          pool: "forks",
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "clouds",
          include: [cloudSuites],
          exclude: ignored,
          pool: "forks",
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "types",
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            include: ["{core,adapters,cli,testing,test}/**/*.test-d.ts"],
            exclude: ignored,
          },
        },
      },
    ],
    coverage: {
      provider: "v8",
      include: ["{core,adapters,infra,cli,testing}/**/*.ts"],
      exclude: ["**/*.test.ts", "**/*.test-d.ts", "**/fixtures/**"],
      reporter: ["json-summary", "html"],
      reportOnFailure: true,
      // Continuous integration holds the same numbers against the report in a step of its own.
      thresholds:
        process.env["COVERAGE_GATE"] === "later" ? {} : { "core/**": { lines: 95, branches: 95 } },
    },
  },
});
