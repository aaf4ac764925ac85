// Holds the coverage of the last test run against the thresholds in vitest.config.ts, and names the
// files that pull it down. A step of its own, so that a failed test and a missing one look different.
import { existsSync, readFileSync } from "node:fs";
import { matchesGlob, relative } from "node:path";

import config from "../vitest.config.ts";

process.chdir(`${import.meta.dirname}/..`);

const summaryFile = "coverage/coverage-summary.json";
if (!existsSync(summaryFile)) fail(`${summaryFile} is missing: run npm run coverage first`);
const { total: _, ...files } = JSON.parse(readFileSync(summaryFile, "utf8"));

let missed = false;
/** @type {Record<string, Record<string, number>>} */
const allThresholds = config.test.coverage.thresholds;
for (const [glob, thresholds] of Object.entries(allThresholds)) {
  const covered = Object.entries(files)
    .map(([file, metrics]) => ({ file: relative(".", file), metrics }))
    .filter(({ file }) => matchesGlob(file, glob));
  for (const [metric, wanted] of Object.entries(thresholds)) {
    const reached = percent(covered, metric);
    console.log(`note: ${glob} ${metric} ${reached.toFixed(2)} % (at least ${wanted} %)`);
    if (reached >= wanted) continue;
    missed = true;
    for (const { file, metrics } of lowest(covered, metric)) {
      const open = metrics[metric].total - metrics[metric].covered;
      console.error(`  ${file}: ${metrics[metric].pct} % of ${metric}, ${open} uncovered`);
    }
  }
}
if (missed) fail("coverage is below its threshold; coverage/index.html shows the lines");

function percent(covered, metric) {
  if (covered.length === 0) return 0; // a glob that matches no file must not pass
  const total = sum(covered, (metrics) => metrics[metric].total);
  return total === 0 ? 100 : (100 * sum(covered, (metrics) => metrics[metric].covered)) / total;
}

function sum(covered, pick) {
  return covered.reduce((total, { metrics }) => total + pick(metrics), 0);
}

function lowest(covered, metric) {
  return covered
    .filter(({ metrics }) => metrics[metric].pct < 100)
    .toSorted((a, b) => a.metrics[metric].pct - b.metrics[metric].pct)
    .slice(0, 10);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
