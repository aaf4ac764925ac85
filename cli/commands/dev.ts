import { relative } from "node:path";
import type { Command } from "commander";
import type { Runtime } from "../../core/engine/runtime.ts";
import { messageOf } from "../../core/errors.ts";
import { isEnd } from "../../core/journal/head.ts";
import { loadConfigFlows } from "../config-flows.ts";
import { type Console, type OpenedStack, openStack } from "../console.ts";
import { statusText } from "../execution-text.ts";
import { KitaruUsageError } from "../../core/errors.ts";
import { LoadedFiles } from "../loaded-files.ts";
import { stackOption } from "../options.ts";
import { watchProgress } from "../progress.ts";
import { oneLine, plural } from "../text.ts";
import { waitLines } from "../waits.ts";

/** How often overdue executions are looked for. */
const sweepEveryMs = 1000;

/** Add `kitaru dev`. */
export function addDev(program: Command, say: () => Console): void {
  program
    .command("dev")
    .description("keep the executions of this project's flows going until interrupted")
    .addOption(stackOption())
    .action((options: { readonly stack?: string }) => dev(say(), options));
}

async function dev(say: Console, { stack }: { readonly stack?: string }): Promise<void> {
  const loaded = new LoadedFiles();
  const { files, flows } = await loadConfigFlows();
  const opened = await openStack(stack);
  const deployed = await deployedFlows(opened);
  if (flows.length + deployed.length === 0)
    throw new KitaruUsageError(
      'There are no flows to keep going. Name their modules in kitaru.config.ts (flows: ["./flows/*.ts"]), or deploy one.',
    );
  const { runtime } = opened;
  const stopWatching = watch(say, opened, stack);
  const stop = new AbortController();
  const stopListening = say.io.onInterrupt(() => stop.abort());
  say.note(
    `Stack ${say.style.bold(runtime.stack)}: ${plural(flows.length, "flow")} from ${plural(files.length, "file")}${inParens(flows)}${deployedText(deployed)}. Interrupt to stop.`,
  );
  try {
    const picked = await sweepUntil(say, runtime, loaded, stop.signal);
    say.item({ stack: runtime.stack, flows, deployed, picked }, [
      "Stopped; executions go on when this runs again.",
    ]);
  } finally {
    stopListening();
    stopWatching();
    loaded.close();
  }
}

/** Flows whose executions need no module of this project. */
async function deployedFlows({ deployments }: OpenedStack): Promise<string[]> {
  return [...new Set((await deployments.list()).map(({ flow }) => flow))];
}

function deployedText(names: readonly string[]): string {
  return names.length === 0 ? "" : `, ${plural(names.length, "deployed flow")}${inParens(names)}`;
}

function inParens(names: readonly string[]): string {
  return names.length === 0 ? "" : ` (${names.join(", ")})`;
}

/** Sweep until told to stop; how many executions were overdue. */
async function sweepUntil(
  say: Console,
  runtime: Runtime,
  loaded: LoadedFiles,
  signal: AbortSignal,
): Promise<number> {
  let picked = 0;
  let lastProblem = "";
  while (!signal.aborted) {
    tellChanges(say, loaded);
    try {
      picked += await runtime.host.sweep();
      lastProblem = "";
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== lastProblem) say.note(`${say.style.red("error")}: ${problem}`);
      lastProblem = problem;
    }
    await pause(signal);
  }
  return picked;
}

/** A module cannot be loaded anew: executions of changed code would not match what they have recorded. */
function tellChanges(say: Console, loaded: LoadedFiles): void {
  const files = loaded.changed().map((file) => relative(say.io.cwd, file));
  if (files.length === 0) return;
  say.note(
    say.style.yellow(
      `${files.join(", ")} changed. This process goes on with what it has loaded; start it again to run the change.`,
    ),
  );
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, sweepEveryMs);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

/** Print what happens to every execution this process drives. */
function watch(
  say: Console,
  { runtime, executions }: OpenedStack,
  stack: string | undefined,
): () => void {
  const { context } = runtime;
  const { style } = say;
  const tellWaits = async (id: string): Promise<void> => {
    const waits = await executions.pendingWaits(id);
    for (const line of waitLines(say, id, waits, stack)) say.note(line);
  };
  const observer: Parameters<typeof context.observers.add>[0] = {
    appended: ({ executionId, entries }) => {
      for (const entry of entries) {
        if (entry.t === "advance" && entry.renew !== true)
          say.note(`${style.bold(executionId)}  ${entry.epoch === 1 ? "started" : "taken up"}`);
        // what cannot be read now is shown when it is next looked at
        if (entry.t === "waiting") void tellWaits(executionId).catch(() => undefined);
      }
    },
    ended: ({ executionId, head }) => {
      const { status, err } = head.view;
      const why =
        err === undefined || !isEnd(status)
          ? ""
          : `  ${oneLine(`${err.name}: ${err.message}`, 160)}`;
      say.note(`${style.bold(executionId)}  ${statusText(say, status)}${why}`);
    },
  };
  context.observers.add(observer);
  const stopProgress = watchProgress(
    say,
    runtime,
    () => true,
    (id) => `${style.dim(id)} `,
  );
  return () => {
    context.observers.delete(observer);
    stopProgress();
  };
}
