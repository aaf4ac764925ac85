import { KitaruContextError, KitaruTimeoutError } from "../errors.ts";
import { digest } from "../hash.ts";
import type { LlmEntry } from "../journal/entry.ts";
import type { LlmCall, LlmOutcome } from "../models/types.ts";
import type { EngineContext } from "./context.ts";
import { type CheckpointFacts, type CheckpointScope, runInScope } from "./scope.ts";

/** How one attempt ended. */
export type AttemptResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: unknown };

/** An llm outcome on its way into the journal. */
export interface LlmRecording {
  /** Place among the llm calls of the checkpoint, from 0. */
  readonly index: number;
  readonly name: string;
  readonly hash: string;
  readonly outcome: LlmOutcome;
  readonly startedAt: number;
}

/** Where an attempt leaves what it records while it runs. */
export interface AttemptSink {
  /** Llm outcomes of earlier attempts that may stand in for a new request, oldest first. */
  readonly reusable: readonly LlmEntry[];
  /** Resolves once the outcome is durable. */
  llm(recording: LlmRecording): Promise<void>;
  load(executionId: string, name: string): Promise<unknown>;
}

interface AttemptParams {
  readonly context: EngineContext;
  readonly name: string;
  readonly facts: CheckpointFacts;
  readonly sink: AttemptSink;
}

/** One artifact saved by an attempt, not yet stored. */
export interface SavedArtifact {
  readonly name: string;
  readonly type: string;
  readonly value: unknown;
}

/** The scope of one running attempt: buffers what it saves, and closes when the attempt is over. */
export class Attempt implements CheckpointScope {
  readonly kind = "checkpoint";
  readonly name: string;
  readonly facts: CheckpointFacts;
  readonly artifacts: SavedArtifact[] = [];
  readonly logs: Readonly<Record<string, unknown>>[] = [];
  readonly #context: EngineContext;
  readonly #sink: AttemptSink;
  readonly #reusable: LlmEntry[];
  #llms: number;
  #over = false;

  constructor(params: AttemptParams) {
    this.name = params.name;
    this.facts = params.facts;
    this.#context = params.context;
    this.#sink = params.sink;
    this.#reusable = [...params.sink.reusable];
    this.#llms = params.sink.reusable.length;
  }

  /** Run `fn` to its end or to the abort of the signal, whichever is first. Never throws. */
  async run(fn: () => unknown): Promise<AttemptResult> {
    try {
      const value = runInScope(this, fn);
      return { ok: true, value: isThenable(value) ? await this.#orAborted(value) : value };
    } catch (error) {
      return { ok: false, error };
    } finally {
      this.#over = true;
    }
  }

  async llm(call: LlmCall): Promise<unknown> {
    this.#checkOpen("llm()");
    const hash = digest(call.identity);
    const found = this.#reusable.findIndex((entry) => entry.h === hash && entry.name === call.name);
    const [reused] = found === -1 ? [] : this.#reusable.splice(found, 1);
    if (reused !== undefined) return this.#context.values.get(reused.out);
    const index = this.#llms++;
    const startedAt = this.#context.clock.now();
    const outcome = await runLlm(this.#context, call, this.facts.signal);
    this.#checkOpen("llm()");
    await this.#sink.llm({ index, name: call.name, hash, outcome, startedAt });
    return outcome.value;
  }

  save(artifact: SavedArtifact): void {
    this.#checkOpen("save()");
    this.artifacts.push(artifact);
  }

  async load(executionId: string, name: string): Promise<unknown> {
    this.#checkOpen("load()");
    return this.#sink.load(executionId, name);
  }

  log(fields: Readonly<Record<string, unknown>>): void {
    if (!this.#over) this.logs.push(fields);
  }

  #checkOpen(what: string): void {
    if (!this.#over) return;
    throw new KitaruContextError(
      `${what} was called by ${this.facts.callId} after its attempt ${this.facts.attempt} had ended. Await everything a checkpoint starts, and stop when checkpointContext().signal aborts.`,
    );
  }

  #orAborted(value: PromiseLike<unknown>): Promise<unknown> {
    const { signal } = this.facts;
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal.reason as Error);
      if (signal.aborted) abort();
      signal.addEventListener("abort", abort, { once: true });
      value.then(resolve, reject).then(
        () => signal.removeEventListener("abort", abort),
        () => undefined,
      );
    });
  }
}

/** Ask a model with what this backend offers. */
export function runLlm(context: EngineContext, call: LlmCall, signal: AbortSignal): Promise<LlmOutcome> {
  return call.run({ signal, models: context.models, secrets: context.backend.secrets });
}

/** Abort `controller` with a timeout error after `timeoutMs`; the result cancels. */
export function abortAfter(
  context: EngineContext,
  controller: AbortController,
  callId: string,
  timeoutMs: number | undefined,
): () => void {
  if (timeoutMs === undefined) return () => undefined;
  return context.clock.schedule(timeoutMs, () =>
    controller.abort(
      new KitaruTimeoutError(`${callId} did not finish within its timeout of ${timeoutMs} ms.`, {
        details: { call: callId, timeoutMs },
      }),
    ),
  );
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === "object" || typeof value === "function") &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
