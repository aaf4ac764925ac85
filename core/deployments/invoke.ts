import { type Pin, contextOf, definitionsAtHand } from "../engine/code.ts";
import { localVersion } from "../engine/context.ts";
import type { Runtime } from "../engine/runtime.ts";
import { type StartExecution, startExecution } from "../engine/start.ts";
import { type Head, headKey, readHead } from "../journal/head.ts";
import { readManifest } from "./deployment.ts";
import { readFlow } from "./flow-document.ts";
import { type VersionChoice, checkChoice, chooseVersion } from "./tags.ts";

/** Options of an invocation. */
export type InvokeOptions = VersionChoice & {
  /** Makes the start idempotent: the same id and input give the existing execution, whatever the tag names by then. */
  readonly id?: string;
};

export interface InvokeParams {
  readonly id: string;
  readonly flow: string;
  readonly input: unknown;
  readonly choice: VersionChoice;
  /** Whether the execution may exist. */
  readonly isIdempotent: boolean;
  /** Leave it to a process that looks for executions to drive, where it would be driven by this one. */
  readonly isLeft?: boolean;
}

/**
 * Start an execution of a deployed version. It is pinned to that version until it ends.
 * Throws a state error when there is no such version, a usage error when the input does not fit.
 */
export async function invokeVersion(runtime: Runtime, params: InvokeParams): Promise<Head> {
  const { context, stack } = runtime;
  const { id, flow, input, choice, isIdempotent, isLeft = false } = params;
  checkChoice(flow, choice);
  const existing = isIdempotent ? await existingPin(runtime, id) : undefined;
  const { manifest, ...pin } = existing ?? (await chosenPin(runtime, flow, choice));
  const definition = await definitionOf(runtime, flow, pin, manifest);
  return startExecution(context, { id, flow: definition, input, pin, stack, isLeft });
}

/** What a version of a flow runs on, by its number; `local` is the flow as it is in source. */
export async function pinOfVersion(
  { context }: Runtime,
  flow: string,
  version: number | typeof localVersion,
): Promise<Pin> {
  if (version === localVersion) return { version };
  const { record } = chooseVersion(flow, await readFlow(context, flow), { version });
  return { version: String(version), bundle: record.bundle };
}

interface InvokedPin {
  readonly version: string;
  readonly bundle: string;
  /** Hash of the manifest, where it is known. */
  readonly manifest?: string;
}

/** An input that its flow checks needs the flow's code, since a schema may change it; any other start does not. */
async function definitionOf(
  { context }: Runtime,
  flow: string,
  pin: InvokedPin,
  manifest: string | undefined,
): Promise<StartExecution["flow"]> {
  const known = definitionsAtHand(context, pin)?.flow(flow);
  if (known !== undefined) return known;
  const described = manifest === undefined ? undefined : await readManifest(context, manifest);
  const facts = described?.flows.find(({ name }) => name === flow);
  if (facts !== undefined && facts.input === undefined)
    return { name: flow, ...(facts.timeoutMs === undefined ? {} : { timeoutMs: facts.timeoutMs }) };
  const { registry } = await contextOf(context, pin);
  return registry.flow(flow) ?? { name: flow };
}

async function existingPin({ context }: Runtime, id: string): Promise<InvokedPin | undefined> {
  const record = await context.backend.records.get(headKey(id));
  if (record === undefined) return undefined;
  const { version, bundle } = readHead(record).facts;
  return bundle === undefined ? undefined : { version, bundle };
}

async function chosenPin(
  { context }: Runtime,
  flow: string,
  choice: VersionChoice,
): Promise<InvokedPin> {
  const document = await readFlow(context, flow);
  const { version, record } = chooseVersion(flow, document, choice);
  return { version: String(version), bundle: record.bundle, manifest: record.manifest };
}
