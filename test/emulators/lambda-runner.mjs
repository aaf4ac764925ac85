// A Lambda execution environment: loads a handler once, then answers one invocation a line.
// Usage: lambda-runner.mjs FOLDER FILE.EXPORT; {event, context} in, {result, failed} out.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, handler] = process.argv.slice(2);
const dot = handler.lastIndexOf(".");
const file = [".mjs", ".js", ".cjs"]
  .map((ending) => join(folder, handler.slice(0, dot)) + ending)
  .find(existsSync);
const answer = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);

const faults = () => JSON.parse(readFileSync(process.env.FAULTS));
const realNow = Date.now;
const skew = (0.5 + Math.random() / 2) * (Math.random() < 0.5 ? -1 : 1);
let offsetMs = 0;
Date.now = () => realNow() + offsetMs;

const module = await import(pathToFileURL(file));
const run = module[handler.slice(dot + 1)] ?? module.default?.[handler.slice(dot + 1)];

for await (const line of createInterface({ input: process.stdin })) {
  const { event, context } = JSON.parse(line);
  // clocks of processes differ by up to `skewMs` and at least half of it; a schedule may ask what would be done so much later
  offsetMs = Math.round(skew * (faults().skewMs ?? 0)) + (event?.aheadMs ?? 0);
  answer(`${JSON.stringify(await invoke(event, context))}\n`);
}

async function invoke(event, { timeoutMs, ...context }) {
  const deadline = Date.now() + timeoutMs;
  const getRemainingTimeInMillis = () => deadline - Date.now();
  try {
    const result = await run(event, { ...context, getRemainingTimeInMillis });
    return { result: result ?? null, failed: false };
  } catch (error) {
    const errorType = error?.name ?? "Error";
    const errorMessage = error?.message ?? String(error);
    const trace = String(error?.stack ?? "").split("\n");
    return { result: { errorType, errorMessage, trace }, failed: true };
  }
}
