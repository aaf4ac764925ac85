import { access, constants, mkdtemp, rm, stat, statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import type { StackDefinition } from "../../core/config.ts";
import type { Runtime } from "../../core/engine/runtime.ts";
import { messageOf } from "../../core/errors.ts";
import { defineModels } from "../../core/models/registry.ts";
import { configuredStacks, currentConfig, defaultStack, openStack } from "../../core/stacks.ts";
import { loadConfigFlows } from "../config-flows.ts";
import type { Console } from "../console.ts";
import { CommandError } from "../failure.ts";
import { overdueExecutions } from "../overdue.ts";
import { bytes, oneLine, plural, span, table } from "../text.ts";
import { checkModels } from "./models.ts";

type State = "ok" | "warn" | "fail";

/** One thing that was looked at. */
interface Check {
  readonly check: string;
  readonly state: State;
  readonly detail: string;
  /** What to do, unless it is well. */
  readonly remedy?: string;
}

const leastFreeBytes = 500_000_000;
const fewFreeBytes = 50_000_000;
/** A sweep may take its time; what is overdue for longer has nobody who looks. */
const overdueMs = 15_000;

/** Add `kitaru doctor`. */
export function addDoctor(program: Command, say: () => Console): void {
  program
    .command("doctor")
    .description("check this machine, the config, the stacks and the models")
    .action(() => doctor(say()));
}

async function doctor(say: Console): Promise<void> {
  const checks: Check[] = [
    { check: "node", state: "ok", detail: `Node.js ${process.versions.node}` }, // an older one stops this program at once
  ];
  checks.push(...(await checkProject(say)));
  const rows = checks.map(({ check, state, detail, remedy }) => [
    mark(say, state),
    check,
    remedy === undefined ? detail : `${detail} ${say.style.dim(remedy)}`,
  ]);
  say.items(checks, table(["", "", ""], rows).slice(1));
  const bad = checks.filter(({ state }) => state === "fail").map(({ check }) => check);
  if (bad.length > 0)
    throw new CommandError("doctor", `${plural(bad.length, "check")} failed: ${bad.join(", ")}.`);
}

function mark({ style }: Console, state: State): string {
  switch (state) {
    case "ok":
      return style.green("ok");
    case "warn":
      return style.yellow("warn");
    case "fail":
      return style.red("fail");
  }
}

async function checkProject(say: Console): Promise<Check[]> {
  let config: Check;
  try {
    const { file, root } = await currentConfig();
    config = {
      check: "config",
      state: "ok",
      detail: file ?? `none; flows run on the local stack in ${root}`,
    };
  } catch (error) {
    return [failed("config", error, "Mend it; without a config file the local stack is used.")];
  }
  const active = await defaultStack();
  const stacks = await configuredStacks();
  const unknown: Check[] = Object.hasOwn(stacks, active)
    ? []
    : [
        {
          check: `stack ${active}`,
          state: "fail",
          detail: "is chosen but not configured.",
          remedy: `Choose one of ${Object.keys(stacks).join(", ")}: kitaru stack use NAME.`,
        },
      ];
  const models = await checkModelsConfig();
  // no stack opens then
  if (models.length > 0) return [config, await checkFlows(), ...unknown, ...models];
  const perStack: Check[] = [];
  for (const [name, definition] of Object.entries(stacks))
    perStack.push(...(await checkStack(say, name, definition, name === active)));
  return [config, await checkFlows(), ...unknown, ...perStack];
}

/** What is wrong with the models of the config, if anything. */
async function checkModelsConfig(): Promise<Check[]> {
  const { config } = await currentConfig();
  try {
    defineModels(config.models, config.defaultModel);
    return [];
  } catch (error) {
    return [failed("models", error)];
  }
}

async function checkFlows(): Promise<Check> {
  try {
    const { flows, files } = await loadConfigFlows();
    if (files.length === 0)
      return {
        check: "flows",
        state: "warn",
        detail: "none in the config, so `kitaru dev` has nothing to keep going.",
        remedy: 'Name their modules: flows: ["./flows/*.ts"].',
      };
    if (flows.length === 0)
      return {
        check: "flows",
        state: "warn",
        detail: `${plural(files.length, "file")} of the config, and no flow in them.`,
        remedy: 'Define one: export const hello = flow("hello", async () => …).',
      };
    const detail = `${flows.join(", ")} (${plural(files.length, "file")})`;
    return { check: "flows", state: "ok", detail };
  } catch (error) {
    return failed("flows", error);
  }
}

async function checkStack(
  say: Console,
  name: string,
  definition: StackDefinition,
  isActive: boolean,
): Promise<Check[]> {
  const check = `stack ${name}`;
  const folder = definition.describe?.["folder"];
  const { root } = await currentConfig();
  const local = folder === undefined ? [] : await checkFolder(name, resolve(root, folder));
  if (local.some(({ state }) => state === "fail")) return local;
  try {
    const runtime = await openStack(name);
    const opened: Check = {
      check,
      state: "ok",
      detail: `${definition.kind}, opens${isActive ? ", active" : ""}`,
    };
    const about = [opened, ...local, await checkSchema(runtime), await checkOverdue(runtime)];
    return isActive ? [...about, ...(await checkAliases(say, runtime))] : about;
  } catch (error) {
    return [failed(check, error), ...local];
  }
}

async function checkFolder(name: string, folder: string): Promise<Check[]> {
  const place = await nearest(folder);
  const check = `folder of ${name}`;
  if (!(await stat(place)).isDirectory())
    return [
      {
        check,
        state: "fail",
        detail: `${place} is a file, not a folder.`,
        remedy: "Move it away, or choose another folder: local({ folder }).",
      },
    ];
  try {
    await access(place, constants.R_OK | constants.W_OK | constants.X_OK);
    await rm(await mkdtemp(join(place, ".kitaru-doctor-")), { recursive: true });
  } catch (error) {
    return [
      failed(check, error, `Make ${place} writable, or choose another folder: local({ folder }).`),
    ];
  }
  const { bavail, bsize } = await statfs(place);
  const free = bavail * bsize;
  const space = { check: `space of ${name}`, detail: `${bytes(free)} free` };
  return [
    { check, state: "ok", detail: `${folder} is writable` },
    free >= leastFreeBytes
      ? { ...space, state: "ok" }
      : {
          ...space,
          state: free < fewFreeBytes ? "fail" : "warn",
          remedy: "Free some space: nothing can be recorded on a full disk.",
        },
  ];
}

/** The folder, or the nearest one above it that exists. */
async function nearest(folder: string): Promise<string> {
  for (let place = folder; ; place = dirname(place)) {
    const isThere = await access(place).then(
      () => true,
      () => false,
    );
    if (isThere || place === dirname(place)) return place;
  }
}

/** A store that a newer version wrote does not open at all; one that opens is read here. */
async function checkSchema({ stack, backend }: Runtime): Promise<Check> {
  const { records } = backend;
  const page = await records.list({ partition: "flows", limit: 1 });
  const detail = page.items.length === 0 ? "empty" : "readable by this version";
  return { check: `records of ${stack}`, state: "ok", detail };
}

async function checkOverdue(runtime: Runtime): Promise<Check> {
  const { stack, context } = runtime;
  const overdue = await overdueExecutions(runtime, context.clock.now() - overdueMs);
  const flows = Map.groupBy(overdue, ({ flow }) => flow);
  const check = `executions of ${stack}`;
  if (flows.size === 0) return { check, state: "ok", detail: "none overdue" };
  const counts = [...flows].map(([flow, { length }]) => `${length} of ${flow}`).join(", ");
  return {
    check,
    state: "warn",
    detail: `overdue for more than ${span(overdueMs)}: ${counts}.`,
    remedy: "Start `kitaru dev`, which takes them up, or `kitaru executions resume ID`.",
  };
}

async function checkAliases(say: Console, runtime: Runtime): Promise<Check[]> {
  const models = await checkModels(runtime, say.io.env);
  return models.map(({ alias, model, credentials, problem }): Check => {
    const check = `model ${alias}`;
    if (problem === undefined)
      return { check, state: "ok", detail: `${model}, credentials: ${credentials}` };
    return { check, state: "warn", detail: `${model}.`, remedy: oneLine(problem, 400) };
  });
}

function failed(check: string, error: unknown, remedy?: string): Check {
  const text = oneLine(messageOf(error), 400);
  const detail = /[.!?]$/.test(text) ? text : `${text}.`;
  const all = [
    ...(remedy === undefined ? [] : [remedy]),
    ...(isSyntaxError(error) ? ["`kitaru check FILE` shows the line."] : []),
  ].join(" ");
  return { check, state: "fail", detail, ...(all === "" ? {} : { remedy: all }) };
}

function isSyntaxError(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof SyntaxError;
}
