import type {
  CheckpointDefinition,
  FlowDefinition,
  Registry,
  WaitDefinition,
} from "../engine/definitions.ts";
import type { CheckpointFacts, FlowFacts, Manifest, WaitFacts } from "../plan/manifest.ts";
import { toJsonSchema } from "../schema.ts";

/** What the modules of a bundle have defined. */
export function describeDefinitions(
  registry: Registry,
): Pick<Manifest, "flows" | "checkpoints" | "waits"> {
  return {
    flows: registry.all("flow").map(flowFacts),
    checkpoints: registry.all("checkpoint").map(checkpointFacts),
    waits: registry.all("wait").map(waitFacts),
  };
}

function flowFacts({ name, retries, timeoutMs, input }: FlowDefinition): FlowFacts {
  return {
    name,
    retries,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(input === undefined ? {} : { input: schemaField(input) }),
  };
}

function checkpointFacts(definition: CheckpointDefinition): CheckpointFacts {
  const { name, runtime, semantics, retry, timeoutMs, memoryMb, storageMb, type } = definition;
  return {
    name,
    runtime,
    semantics,
    retries: retry.attempts,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(memoryMb === undefined ? {} : { memoryMb }),
    ...(storageMb === undefined ? {} : { storageMb }),
    ...(type === undefined ? {} : { type }),
  };
}

function waitFacts({ name, schema, question, timeoutMs }: WaitDefinition): WaitFacts {
  return {
    name,
    gate: schema === undefined,
    ...(schema === undefined ? {} : schemaField(schema)),
    ...(question === undefined ? {} : { question }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

function schemaField(schema: Parameters<typeof toJsonSchema>[0]): Pick<WaitFacts, "schema"> {
  const json = toJsonSchema(schema);
  return json === undefined ? {} : { schema: json };
}
