import { KitaruStateError } from "../../errors.ts";
import type { ReplayPlan } from "../../journal/entry.ts";
import { type Head, type HeadFacts, readHead } from "../../journal/head.ts";
import { type Pin, contextOf } from "../code.ts";
import type { EngineContext } from "../context.ts";
import type { FlowDefinition } from "../definitions.ts";
import { load } from "../session.ts";
import { startExecution } from "../start.ts";
import { settledStart } from "../starts.ts";
import { statusOf } from "../status.ts";
import { overlay } from "./overlay.ts";
import type { Override } from "./override.ts";
import { planOverrides, planSkips } from "./overrides.ts";
import { checkNotInside } from "./inside.ts";
import { type Inherited, pinned } from "./plan.ts";
import { Selectors } from "./selectors.ts";
import { type ReplaySource, loadSource } from "./source.ts";

/** What a replay is to be. */
export interface ReplayRequest {
  /** Execution to replay. */
  readonly source: string;
  /** Selector of the call from which everything is executed. */
  readonly from?: string;
  readonly overrides?: readonly Override[];
  /** Selectors of calls whose recorded outcomes are reused whatever else holds. */
  readonly skip?: readonly string[];
  /** What is laid over the recorded input. */
  readonly input?: unknown;
  /** Flow to run; that of the source when left out. */
  readonly flow?: FlowDefinition;
  /** Version to run; that of the source when left out. */
  readonly pin?: Pin;
}

/** A replay that can be made: everything has been checked. */
export interface PreparedReplay {
  /** With the definitions of the version to run. */
  readonly context: EngineContext;
  readonly flow: FlowDefinition;
  /** Version to run. */
  readonly pin: Pin;
  /** Facts about the source. */
  readonly facts: HeadFacts;
  readonly source: ReplaySource;
  readonly plan: ReplayPlan;
  readonly inherited: Inherited;
  readonly input: unknown;
  /** Whether the input is the recorded one, which its schema has made already. */
  readonly isRecordedInput: boolean;
}

/** Make a new execution out of one that is not running. The source is read and never written. */
export async function startReplay(
  context: EngineContext,
  request: ReplayRequest & { readonly id: string; readonly stack: string },
): Promise<Head> {
  const prepared = await prepareReplay(context, request);
  const { facts, flow, inherited, input, isRecordedInput } = prepared;
  const { pin } = prepared;
  const module = pin.bundle === undefined ? (flow.source ?? facts.source) : undefined;
  return startExecution(context, {
    id: request.id,
    flow,
    input,
    isChecked: isRecordedInput,
    pin,
    stack: request.stack,
    replay: inherited,
    isReplay: true,
    ...(module === undefined ? {} : { source: module }),
  });
}

/** Check a replay against its source, and store what it overrides. */
export async function prepareReplay(
  process: EngineContext,
  request: ReplayRequest,
): Promise<PreparedReplay> {
  const { source: id } = request;
  const { facts, started, position } = await readSource(process, id);
  const pin = request.pin ?? facts;
  const context = await contextOf(process, pin);
  const { values, registry } = context;
  const flow = flowOf(context, request, facts);
  const source = await loadSource(context, { id, position });
  const selectors = new Selectors(source, registry);
  await checkNotInside(context, source, selectorsOf(request));
  const plan = await planOf(context, selectors, request);
  const isPlanned = Object.keys(plan).length > 0;
  const ref = isPlanned ? await values.put(plan, "what is overridden") : undefined;
  const recorded = await values.get(facts.input);
  const isRecordedInput = request.input === undefined;
  return {
    context,
    flow,
    pin,
    facts,
    source,
    plan,
    inherited: pinned(id, started, position, ref),
    input: isRecordedInput ? recorded : overlay(recorded, request.input, id),
    isRecordedInput,
  };
}

function selectorsOf({ from, overrides = [], skip = [] }: ReplayRequest): string[] {
  return [from ?? [], overrides.map(({ target }) => target), skip].flat(2);
}

async function planOf(
  context: EngineContext,
  selectors: Selectors,
  request: ReplayRequest,
): Promise<ReplayPlan> {
  const overrides = await planOverrides(context, selectors, request.overrides ?? []);
  const skip = planSkips(selectors, request.skip ?? [], overrides);
  return {
    ...(request.from === undefined ? {} : { from: selectors.from(request.from) }),
    ...(overrides.length === 0 ? {} : { overrides }),
    ...(skip.length === 0 ? {} : { skip }),
  };
}

async function readSource(
  context: EngineContext,
  id: string,
): Promise<{
  readonly facts: HeadFacts;
  readonly started: NonNullable<ReplaySource["state"]["started"]>;
  readonly position: number;
}> {
  await settledStart(id);
  const execution = await load(context, id);
  const status = statusOf(execution, id, context.clock.now());
  const { started, position } = execution.journal.state;
  const { head } = execution;
  if (status === "running" || status === "queued" || started === undefined || head === undefined)
    throw new KitaruStateError(
      `Replay requires a non-running source execution: ${id} is ${status}. Replay it once it has ended or waits.`,
      { details: { status } },
    );
  return { facts: readHead(head).facts, started, position };
}

function flowOf(
  { registry }: EngineContext,
  { flow, source }: ReplayRequest,
  facts: HeadFacts,
): FlowDefinition {
  if (flow !== undefined && flow.name !== facts.flow)
    throw new KitaruStateError(
      `Execution ${source} is one of flow "${facts.flow}", so flow "${flow.name}" cannot replay it.`,
    );
  const found = flow ?? registry.flow(facts.flow);
  if (found !== undefined) return found;
  throw new KitaruStateError(
    `Flow "${facts.flow}" of execution ${source} is not defined in this program. Import the module that defines it, or name that under \`flows\` in kitaru.config.ts.`,
    { details: { flow: facts.flow } },
  );
}
