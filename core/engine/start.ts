import { KitaruStateError, KitaruUsageError } from "../errors.ts";
import { digest } from "../hash.ts";
import {
  type Head,
  type HeadFacts,
  headDraft,
  headKey,
  isEnd,
  readHead,
  storedHead,
} from "../journal/head.ts";
import { validate } from "../schema.ts";
import type { Pin } from "./code.ts";
import { type EngineContext, localVersion, makeNonce } from "./context.ts";
import type { FlowDefinition } from "./definitions.ts";
import type { Inherited } from "./replay/plan.ts";
import { startParams, takeUp } from "./restart.ts";

/** What a start needs to know. */
export interface StartExecution {
  readonly id: string;
  readonly flow: Pick<FlowDefinition, "name" | "input" | "timeoutMs">;
  readonly input: unknown;
  /** Deployed version it is pinned to. @default the flow as it is in source */
  readonly pin?: Pin;
  readonly stack: string;
  readonly parent?: { readonly id: string; readonly call: string };
  readonly source?: string;
  /** What it replays, and the seed it inherits from that. */
  readonly replay?: Inherited;
  /** Leave it to a process that looks for executions to drive, where it would be driven by this one. */
  readonly isLeft?: boolean;
  /** Whether it is a replay, or a child flow of one. */
  readonly isReplay?: boolean;
  /** The input has been checked against the schema, whose output it is. */
  readonly isChecked?: boolean;
}

const idPattern = /^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,199}$/;

/**
 * Create an execution, or find the one that the same start created before, and set it going.
 * Throws a state error (`conflict`) when the id belongs to another flow or input.
 */
export async function startExecution(context: EngineContext, start: StartExecution): Promise<Head> {
  checkId(start);
  const input = await checkedInput(start);
  const head = await newHead(context, start, input);
  const { records, orchestrator, capabilities } = context.backend;
  await noteFlow(context, start.flow.name);
  const draft = headDraft(head, capabilities.dueShards);
  const result = await records.put(draft, "absent");
  const isLeft = isLeftToOthers(context, start);
  if (result.ok && !isLeft && orchestrator.canDrive?.(head.facts) === true)
    context.fresh.set(start.id, storedHead(draft, head, result.version));
  const stored = result.ok ? head : await existing(context, start, head);
  if (isLeft || isEnd(stored.view.status)) return stored;
  if (result.ok || stored.view.status === "queued")
    await orchestrator.start(startParams(stored.facts));
  else await takeUp(context, start.id);
  return stored;
}

function checkId({ id, parent }: StartExecution): void {
  if (typeof id === "string" && idPattern.test(id)) return;
  throw new KitaruUsageError(
    parent === undefined
      ? `The execution id ${JSON.stringify(id)} is not allowed. An id has at most 200 letters, digits, "_", ".", ":", "/", "@" and "-", and starts with a letter or digit.`
      : `Child flows are nested too deeply: ${parent.call} of execution ${parent.id} would have an id of ${id.length} characters, and 200 are the most. Nest fewer of them, or give the flows shorter names.`,
  );
}

/** Only where processes drive executions can one leave them to another. */
function isLeftToOthers({ backend }: EngineContext, { isLeft }: StartExecution): boolean {
  return isLeft === true && backend.orchestrator.canDrive !== undefined;
}

/** Partition that lists the names of all flows that were ever started, so that executions can be listed across them. */
export const flowsPartition = "flows";

const noted = new WeakMap<EngineContext, Set<string>>();

/** Make a flow findable by name, before anything of it is written. Written once per flow; a process asks once. */
export async function noteFlow(context: EngineContext, flow: string): Promise<void> {
  const known = noted.get(context) ?? new Set();
  if (known.has(flow)) return;
  await context.backend.records.put(
    { partition: flowsPartition, sort: flow, body: "{}" },
    "absent",
  );
  noted.set(context, known.add(flow));
}

async function checkedInput(start: StartExecution): Promise<unknown> {
  const { flow, input } = start;
  if (flow.input === undefined || start.isChecked === true) return input;
  const checked = await validate(flow.input, input);
  if (checked.ok) return checked.value;
  throw new KitaruUsageError(
    `The input of flow "${flow.name}" does not fit its schema: ${checked.issues}`,
  );
}

async function newHead(
  context: EngineContext,
  start: StartExecution,
  input: unknown,
): Promise<Head> {
  const now = context.clock.now();
  const { flow, parent, source, replay, isReplay, pin = { version: localVersion } } = start;
  const nonce = makeNonce(context);
  const facts: HeadFacts = {
    id: start.id,
    flow: flow.name,
    version: pin.version,
    ...(pin.bundle === undefined ? {} : { bundle: pin.bundle }),
    stack: start.stack,
    input: await context.values.put(input, `the input of flow "${flow.name}"`),
    h: digest(input),
    seed: replay?.seed ?? nonce,
    createdAt: now,
    generation: 1,
    ...(flow.timeoutMs === undefined ? {} : { timeoutAt: now + flow.timeoutMs }),
    ...(parent === undefined ? {} : { parent }),
    ...(source === undefined ? {} : { source }),
    ...(replay === undefined ? {} : { replayOf: replay.of }),
    ...(isReplay === true ? { isReplay } : {}),
    nonce,
  };
  return {
    facts,
    view: { pos: 0, epoch: 0, status: "queued" },
    dueAt: now + (isLeftToOthers(context, start) ? 0 : context.backend.capabilities.graceMs),
  };
}

async function existing(context: EngineContext, start: StartExecution, head: Head): Promise<Head> {
  const record = await context.backend.records.get(headKey(start.id));
  if (record === undefined)
    throw new KitaruStateError(
      `Execution ${start.id} was deleted while it was being started. Start it again.`,
    );
  const found = readHead(record);
  const other = otherThan(head.facts, found.facts);
  if (other !== undefined) throw conflict(start, other);
  return found;
}

/** How an execution that is there differs from one that was to be started under its id. */
function otherThan(wanted: HeadFacts, { flow, h, replayOf }: HeadFacts): string | undefined {
  if (flow !== wanted.flow) return `of flow "${flow}"`;
  if (h !== wanted.h) return "with another input";
  if (isSameReplay(replayOf, wanted.replayOf)) return undefined;
  return replayOf === undefined ? "and is no replay" : `as another replay, of ${replayOf.id}`;
}

/** The source may have gone on in between. */
function isSameReplay(one: HeadFacts["replayOf"], other: HeadFacts["replayOf"]): boolean {
  return one?.id === other?.id && JSON.stringify(one?.plan) === JSON.stringify(other?.plan);
}

function conflict(start: StartExecution, other: string): KitaruStateError {
  return new KitaruStateError(
    `Execution ${start.id} exists already ${other}. Use another id for flow "${start.flow.name}" with this input, or the same input to get the existing execution.`,
    { code: "conflict" },
  );
}
