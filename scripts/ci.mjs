// Runs every check in order and stops at the first that fails. Prints one line a step and, whatever
// happens, ends with the totals: tests are counted one by one, every other step as one.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

process.chdir(`${import.meta.dirname}/..`);

const reports = mkdtempSync(join(tmpdir(), "kitaru-ci-"));
const vitest = ["vitest", "run", "--reporter=dot", "--reporter=json"];

/** `tests` marks a step that counts its own tests; `env` is added to the environment. */
const steps = [
  { name: "words", command: ["npm", "run", "--silent", "check:words"] },
  { name: "format", command: ["npm", "run", "--silent", "format"] },
  { name: "lint", command: ["npm", "run", "--silent", "lint"] },
  { name: "typecheck", command: ["tsc", "--noEmit"] },
  { name: "dead code", command: ["npm", "run", "--silent", "deadcode"] },
  { name: "types", command: [...vitest, "--project=types"], tests: true },
  {
    name: "tests",
    command: [...vitest, "--project=unit", "--project=cross", "--coverage"],
    env: { COVERAGE_GATE: "later" },
    tests: true,
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
async function runStep({ name, command, env, tests }) {
  const report = join(reports, `${name}.json`);
  const args = tests ? [...command, `--outputFile.json=${report}`] : command;
  const startedAt = performance.now();
  const { ok, output } = await run(args, { ...process.env, NO_COLOR: "1", ...env });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);

  const counts = tests ? countTests(report, ok) : countStep(output, ok);
  for (const key of Object.keys(totals)) totals[key] += counts[key];

  const detail = tests ? `  ${counts.passed} tests` : "";
  console.log(`${ok ? "ok  " : "FAIL"} ${name.padEnd(10)} ${seconds.padStart(7)} s${detail}`);
  if (ok) for (const note of notes(output, counts)) console.log(`       ${note}`);
  else console.log(output.trimEnd());
  return ok;
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
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped, skippedTests: [] };
}

function countTests(report, ok) {
  const counts = { passed: 0, failed: 0, skipped: 0, skippedTests: [] };
  try {
    const result = JSON.parse(readFileSync(report, "utf8"));
    counts.passed = result.numPassedTests;
    counts.failed = result.numFailedTests;
    counts.skipped = result.numPendingTests + result.numTodoTests;
    counts.skippedTests = result.testResults
      .flatMap((file) => file.assertionResults)
      .filter(({ status }) => status !== "passed" && status !== "failed")
      .map(({ fullName }) => fullName);
  } catch {
    // The runner ended before it wrote a report: counted below.
  }
  // A run can fail with no failed test: an unhandled error, a file that does not load.
  if (!ok && counts.failed === 0) counts.failed = 1;
  return counts;
}

/** What a reader should see of a step even when it passed. */
function notes(output, { skippedTests }) {
  const lines = output.match(/^(?:skipped|note): .*$/gm) ?? [];
  return [...lines, ...skippedTests.map((test) => `skipped: ${test}`)];
}
