import type { FlowDefinition } from "../engine/definitions.ts";
import { never } from "../engine/loading.ts";
import type { Override } from "../engine/replay/override.ts";
import type { ReplayRequest } from "../engine/replay/start-replay.ts";
import { activeRuntime } from "../stacks.ts";
import { copied } from "./copied.ts";
import {
  type FlowHandle,
  type RunOptions,
  newExecutionId,
  pinOf,
  startedHandle,
} from "./handle.ts";
import { checkOptions } from "./options.ts";
import { type ReplayTarget, selectorOf } from "./replay-target.ts";

/** Options of {@link Flow.replay}. */
export interface FlowReplayOptions<In> extends RunOptions {
  /** The call from which everything is executed anew, whatever its input. */
  readonly from?: ReplayTarget;
  /** What is put in place of recorded outcomes, inputs, models and code. */
  readonly with?: readonly Override[];
  /** Fields laid over the recorded input; an input that is no object is replaced. */
  readonly input?: ReplayInput<In>;
  /** Calls whose recorded outcomes are reused whatever their input, also after `from`. */
  readonly skip?: readonly ReplayTarget[];
}

/** What can be laid over an input. */
type ReplayInput<In> = In extends readonly unknown[] | Date | Map<unknown, unknown> | Set<unknown>
  ? In
  : In extends object
    ? Partial<In>
    : In;

const optionNames = ["id", "stack", "from", "with", "input", "skip"];

interface ReplayRunParams {
  readonly definition: FlowDefinition;
  readonly source: string;
  readonly options: FlowReplayOptions<unknown>;
  /** Start nothing: the module is only being loaded for its definitions. */
  readonly isInert: boolean;
}

/** What the engine is asked for; values are taken as they are now. */
export function replayRequest(
  definition: FlowDefinition,
  source: string,
  { from, with: overrides, input, skip }: FlowReplayOptions<unknown>,
): ReplayRequest {
  return {
    source,
    flow: definition,
    ...(from === undefined ? {} : { from: selectorOf(from) }),
    ...(overrides === undefined ? {} : { overrides: copied(overrides) as readonly Override[] }),
    ...(skip === undefined ? {} : { skip: skip.map(selectorOf) }),
    ...(input === undefined ? {} : { input: copied(input) }),
  };
}

/** Start a replay in the background. */
export function startReplayRun<T>(params: ReplayRunParams): FlowHandle<T> {
  const { definition, source, options, isInert } = params;
  const { id = newExecutionId(), stack } = options;
  const request = replayRequest(definition, source, options);
  const runtime = isInert ? never : activeRuntime({ call: stack, flow: definition.stack });
  const started = runtime.then(async ({ context, stack: opened }) => {
    checkOptions(`${definition.name}.replay()`, options, optionNames);
    const { startReplay } = await import("../engine/replay/start-replay.ts");
    return startReplay(context, { ...request, pin: pinOf(definition), id, stack: opened });
  });
  return startedHandle<T>(id, runtime, started);
}
