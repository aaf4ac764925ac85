import { pathToFileURL } from "node:url";
import { registry } from "../../core/engine/definitions.ts";
import { loadDefinitions } from "../../core/engine/loading.ts";
import { Runtime } from "../../core/engine/runtime.ts";
import { load } from "../../core/engine/session.ts";
import { KitaruStateError, messageOf } from "../../core/errors.ts";
import { readHead } from "../../core/journal/head.ts";
import type { TaskRef } from "../../core/ports/orchestrator.ts";
import { currentConfig } from "../../core/stacks.ts";
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
  const { config } = await currentConfig();
  const runtime = new Runtime({
    stack: "local",
    backend,
    models: defineModels(config.models, config.defaultModel),
  });
  const { head, journal } = await load(runtime.context, ref.executionId);
  const facts = head === undefined ? undefined : readHead(head).facts;
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
  await runtime.host.task(ref);
  await runtime.close();
}

main(process.argv[2] ?? "").then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exit(1);
  },
);
