// Runs every check in order and stops at the first that fails. Prints one line a step and, whatever
// happens, ends with the totals: tests are counted one by one, every other step as one. Suites that
// start the emulators of a cloud depend on a dozen processes of others: what fails of them runs once
// more, alone, and is named where it then passes. Nothing else has a second try.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, matchesGlob, relative } from "node:path";

import { cloudSuites } from "../test/cloud-suites.ts";

process.chdir(`${import.meta.dirname}/..`);

const reports = mkdtempSync(join(tmpdir(), "kitaru-ci-"));
const vitest = ["vitest", "run", "--reporter=dot", "--reporter=json"];

/**
 * `tests` marks a step that counts its own tests; `env` is added to the environment; `again` runs
 * files of the emulated clouds that failed.
 */
const steps = [
  { name: "words", command: ["npm", "run", "--silent", "check:words"] },
  { name: "format", command: ["npm", "run", "--silent", "format"] },
  { name: "lint", command: ["npm", "run", "--silent", "lint"] },
  { name: "typecheck", command: ["tsc", "--noEmit"] },
  { name: "dead code", command: ["npm", "run", "--silent", "deadcode"] },
  { name: "types", command: [...vitest, "--project=types"], tests: true },
  {
    name: "tests",
    command: [...vitest, "--project=unit", "--project=cross", "--project=clouds", "--coverage"],
    env: { COVERAGE_GATE: "later" },
    tests: true,
    again: [...vitest, "--project=clouds"],
  },
  { name: "coverage", command: ["node", "scripts/check-coverage.mjs"] },
  { name: "build", command: ["npm", "run", "--silent", "build"] },
  { name: "exports", command: ["npm", "run", "--silent", "check:exports"] },
  { name: "import", command: ["npm", "run", "--silent", "check:import"] },
  { name: "publint", command: ["npm", "run", "--silent", "check:publint"] },
  { name: "attw", command: ["npm", "run", "--silent", "check:attw"] },
  { name: "package", command: ["npm", "run", "--silent", "check:pack"] },
];

const totals = { passed: 0, failed: 0, skipped: 0 };

try {
  for (const step of steps) {
    if (!(await runStep(step))) break;
  }
} catch (error) {
  console.error(error);
  totals.failed += 1;
} finally {
  rmSync(reports, { recursive: true, force: true });
}

process.exitCode = totals.failed === 0 ? 0 : 1;
const rest = totals.skipped === 0 ? "" : `, ${totals.skipped} skipped`;
console.log(`${totals.passed} passed, ${totals.failed} failed${rest}`);

/** Runs one step, adds it to the totals and tells whether the next may run. */
async function runStep({ name, command, env, tests, again }) {
  const startedAt = performance.now();
  let { ok, output, counts } = await runOnce({ name, command, env, tests });
  const files = again && !ok ? failedOf(counts.results) : undefined;
  if (files?.every((file) => isEmulated(file)) && !output.includes("Unhandled Error")) {
    const second = await runOnce({ name: "again", command: [...again, ...files], env, tests });
    output += second.output;
    ok = second.ok;
    counts = afterSecondRun(counts, second.counts);
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  for (const key of Object.keys(totals)) totals[key] += counts[key];

  const detail = tests ? `  ${counts.passed} tests` : "";
  console.log(`${ok ? "ok  " : "FAIL"} ${name.padEnd(10)} ${seconds.padStart(7)} s${detail}`);
  if (ok) for (const note of notes(output, counts)) console.log(`       ${note}`);
  else console.log(output.trimEnd());
  return ok;
}

async function runOnce({ name, command, env, tests }) {
  const report = join(reports, `${name}.json`);
  const args = tests ? [...command, `--outputFile.json=${report}`] : command;
  const { ok, output } = await run(args, { ...process.env, NO_COLOR: "1", ...env });
  return { ok, output, counts: tests ? countTests(report, ok) : countStep(output, ok) };
}

/** Files with a failed test, or which did not load; none when something failed that is in no file. */
function failedOf(results) {
  const files = results.filter(({ status }) => status === "failed").map(({ name }) => name);
  return files.length === 0 ? undefined : files;
}

/** Whether a test's file starts the emulators of a cloud. */
function isEmulated(file) {
  return matchesGlob(relative(process.cwd(), file), cloudSuites);
}

/** The counts of both runs, each file as it ended last; what passed only in the second is named. */
function afterSecondRun(first, second) {
  const again = new Set(second.results.map(({ name }) => name));
  const results = [...first.results.filter(({ name }) => !again.has(name)), ...second.results];
  const passed = new Set(testsOf(second.results, ["passed"]));
  const mended = testsOf(first.results, ["failed"]).filter((name) => passed.has(name));
  return { ...countsOf(results), failed: second.failed, mended };
}

function run([program, ...args], env) {
  const { promise, resolve } = Promise.withResolvers();
  const chunks = [];
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  child.stderr.on("data", (chunk) => chunks.push(chunk));
  child.on("error", (error) => resolve({ ok: false, output: String(error) }));
  child.on("close", (code) =>
    resolve({ ok: code === 0, output: Buffer.concat(chunks).toString() }),
  );
  return promise;
}

/** A step that could not do part of its work says so with a line `skipped: reason`. */
function countStep(output, ok) {
  const skipped = output.match(/^skipped: /gm)?.length ?? 0;
  return { ...countsOf([]), passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped };
}

function countTests(report, ok) {
  let results = [];
  try {
    results = JSON.parse(readFileSync(report, "utf8")).testResults;
  } catch {
    // The runner ended before it wrote a report: counted below.
  }
  const counts = countsOf(results);
  // A run can fail with no failed test: an unhandled error, a file that does not load.
  return { ...counts, failed: ok ? 0 : Math.max(1, counts.failed) };
}

function countsOf(results) {
  const skippedTests = testsOf(results, ["pending", "skipped", "todo", "disabled"]);
  return {
    results,
    skippedTests,
    passed: testsOf(results, ["passed"]).length,
    failed: testsOf(results, ["failed"]).length,
    skipped: skippedTests.length,
    mended: [],
  };
}

function testsOf(results, wanted) {
  return results
    .flatMap((file) => file.assertionResults)
    .filter(({ status }) => wanted.includes(status))
    .map(({ fullName }) => fullName);
}

/** What a reader should see of a step even when it passed. */
function notes(output, { skippedTests, mended }) {
  const lines = output.match(/^(?:skipped|note): .*$/gm) ?? [];
  return [
    ...lines,
    ...skippedTests.map((test) => `skipped: ${test}`),
    ...mended.map((test) => `failed, and passed when run again alone: ${test}`),
  ];
}
