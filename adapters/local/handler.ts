import { pathToFileURL } from "node:url";
import { bundleSource } from "../../core/deployments/bundle-source.ts";
import { type EngineContext, engineContext } from "../../core/engine/context.ts";
import { registry } from "../../core/engine/definitions.ts";
import { loadDefinitions } from "../../core/engine/loading.ts";
import { Runtime } from "../../core/engine/runtime.ts";
import { load } from "../../core/engine/session.ts";
import { taskSort } from "../../core/engine/task.ts";
import { KitaruStateError, messageOf } from "../../core/errors.ts";
import { readHead } from "../../core/journal/head.ts";
import type { TaskRef } from "../../core/ports/orchestrator.ts";
import { configure, currentConfig } from "../../core/stacks.ts";
import { defineModels } from "../../core/models/registry.ts";
import { type LocalOptions, local } from "./index.ts";

interface Job {
  readonly ref: TaskRef;
  readonly worker: { readonly root: string; readonly options: LocalOptions };
}

/** Entry of the child process that runs one isolated attempt. */
async function main(text: string): Promise<void> {
  const { ref, worker } = JSON.parse(text) as Job;
  const backend = await local(worker.options).open({ name: "local", root: worker.root });
  const bundles = bundleSource(backend.blobs);
  const context = engineContext({ backend, registry, bundles });
  await loadModuleOf(context, ref);
  configure({ root: worker.root }); // after the module, which may have chosen a config itself
  const { config } = await currentConfig();
  const models = defineModels(config.models, config.defaultModel);
  const runtime = new Runtime({ stack: "local", backend, models, bundles });
  await runtime.host.task(ref);
  await checkOutcome(context, ref);
  await runtime.close();
}

async function loadModuleOf(context: EngineContext, ref: TaskRef): Promise<void> {
  const { head, journal } = await load(context, ref.executionId);
  const facts = head === undefined ? undefined : readHead(head).facts;
  if (facts?.bundle !== undefined) return; // its own bundle is loaded when the attempt is run
  const open = journal.state.opens.get(ref.callId);
  if (facts?.source === undefined || open === undefined)
    throw new KitaruStateError(
      `The module of flow "${facts?.flow ?? "?"}" is not known, so its isolated checkpoint ${ref.callId} cannot run in another process. Start the flow from a file.`,
    );
  const { source } = facts;
  await loadDefinitions(
    () => import(pathToFileURL(source).href),
    () => registry.checkpoint(open.name) !== undefined,
  );
}

/** An at-most-once attempt that was started before is not run again; whoever started it died with the process it served. */
async function checkOutcome(context: EngineContext, ref: TaskRef): Promise<void> {
  const { journal, tasks } = await load(context, ref.executionId);
  const open = journal.state.opens.get(ref.callId);
  const isWanted = open?.t === "scheduled" && open.no === ref.attempt;
  if (!isWanted || journal.state.outcomes.has(ref.callId)) return;
  if (tasks.has(taskSort(ref.callId, ref.attempt))) return;
  throw new KitaruStateError("it had been started before, in a process that is gone");
}

process.once("disconnect", () => process.exit(1)); // what nobody awaits must not run beside its next attempt

let isDone = false;
process.once("exit", (code) => {
  if (isDone || code !== 0) return;
  process.stderr.write("process.exit() was called in it\n");
  process.exitCode = 1; // the code of a success is for work that was done
});

main(process.argv[2] ?? "").then(
  () => {
    isDone = true;
    process.exit(0);
  },
  (error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exit(1);
  },
);
