import { KitaruContextError, KitaruTimeoutError } from "../errors.ts";
import { digest } from "../hash.ts";
import type { LlmEntry } from "../journal/entry.ts";
import type { LlmCall, LlmOutcome } from "../ports/model.ts";
import type { ArtifactSource, FoundArtifact } from "./artifacts.ts";
import type { EngineContext } from "./context.ts";
import type { ReplayedLlms } from "./replay/llms.ts";
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
  /** Answers a replay took over before this one was asked for. */
  readonly taken: readonly LlmEntry[];
}

/** Where an attempt leaves what it records while it runs. */
export interface AttemptSink {
  /** Llm outcomes of earlier attempts that may stand in for a new request, oldest first. */
  readonly reusable: readonly LlmEntry[];
  /** What a replay puts in place of the model calls. */
  readonly replayed?: ReplayedLlms | undefined;
  /** Number of llm outcomes already recorded for the call; new ones are numbered from here. */
  readonly recordedLlms: number;
  /** Resolves once the outcome is durable. */
  llm(recording: LlmRecording): Promise<void>;
  load(executionId: string, name: string): Promise<FoundArtifact>;
}

interface AttemptParams {
  readonly context: EngineContext;
  readonly name: string;
  readonly executionId: string;
  readonly callId: string;
  /** Counts from 1. */
  readonly number: number;
  /** Whether the execution is a replay, or a child flow of one. */
  readonly isReplay: boolean;
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
  readonly artifacts: SavedArtifact[] = [];
  readonly logs: Readonly<Record<string, unknown>>[] = [];
  readonly loads: ArtifactSource[] = [];
  /** Model answers a replay took over or was given, not yet stored. */
  readonly takenLlms: LlmEntry[] = [];
  readonly #params: AttemptParams;
  #llms = 0;
  #reusable: LlmEntry[] | undefined;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  #onAbort: ((reason: unknown) => void) | undefined;
  #isOver = false;

  constructor(params: AttemptParams) {
    this.#params = params;
  }

  get name(): string {
    return this.#params.name;
  }

  get version(): string {
    return this.#params.context.version;
  }

  get facts(): CheckpointFacts {
    const { executionId, callId, number, isReplay } = this.#params;
    const idempotencyKey = `${executionId}/${callId}`;
    return {
      executionId,
      callId,
      attempt: number,
      idempotencyKey,
      signal: this.#signal(),
      isReplay,
    };
  }

  /** Stop waiting for the function, and tell it so through its signal. */
  abort(reason: unknown): void {
    if (this.#isOver || this.#aborted !== undefined) return;
    this.#aborted = { reason };
    runInScope(this, () => this.#controller?.abort(reason)); // whoever listens belongs to the checkpoint
    this.#onAbort?.(reason);
  }

  /** Run `fn` to its end or to the abort, whichever is first. Never throws. */
  run(fn: () => unknown): AttemptResult | Promise<AttemptResult> {
    if (this.#aborted !== undefined) return this.#over({ ok: false, error: this.#aborted.reason });
    let value: unknown;
    try {
      value = runInScope(this, fn);
    } catch (error) {
      return this.#over({ ok: false, error });
    }
    if (!isThenable(value)) return this.#over({ ok: true, value });
    return this.#orAborted(value).then(
      (settled) => this.#over({ ok: true, value: settled }),
      (error: unknown) => this.#over({ ok: false, error }),
    );
  }

  async llm(asked: LlmCall): Promise<unknown> {
    this.#checkOpen("llm()");
    const { context, sink } = this.#params;
    const call = sink.replayed?.given(asked) ?? asked;
    const hash = digest(call.identity);
    const reused = this.#takeReusable(call.name, hash) ?? this.#takeOver(call.name, hash);
    if (reused !== undefined) return context.values.get(reused.out);
    const index = sink.recordedLlms + this.#llms++;
    const startedAt = context.clock.now();
    const outcome = await runLlm(context, call, this.#signal());
    this.#checkOpen("llm()");
    const taken = this.takenLlms.splice(0);
    await sink.llm({ index, name: call.name, hash, outcome, startedAt, taken });
    return outcome.value;
  }

  save(artifact: SavedArtifact): void {
    this.#checkOpen("save()");
    this.artifacts.push(artifact);
  }

  async load(executionId: string, name: string): Promise<unknown> {
    this.#checkOpen("load()");
    const { value, source } = await this.#params.sink.load(executionId, name);
    this.loads.push(source);
    return value;
  }

  log(fields: Readonly<Record<string, unknown>>): void {
    if (!this.#isOver) this.logs.push(fields);
  }

  /** Made when it is first asked for: most checkpoints never look at it. */
  #signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  /** The answer a replay takes over from its source, or is given. */
  #takeOver(name: string, hash: string): LlmEntry | undefined {
    const { sink, callId, number, context } = this.#params;
    const answer = sink.replayed?.answer(name, hash, context.clock.now());
    if (answer === undefined) return undefined;
    const index = sink.recordedLlms + this.#llms++;
    const entry: LlmEntry = { ...answer, id: callId, no: number, i: index };
    this.takenLlms.push(entry);
    return entry;
  }

  /** A recorded answer to the same request; each serves once. */
  #takeReusable(name: string, hash: string): LlmEntry | undefined {
    this.#reusable ??= [...this.#params.sink.reusable];
    const found = this.#reusable.findIndex((entry) => entry.h === hash && entry.name === name);
    return found === -1 ? undefined : this.#reusable.splice(found, 1)[0];
  }

  #over(result: AttemptResult): AttemptResult {
    this.#isOver = true;
    return result;
  }

  #checkOpen(what: string): void {
    if (!this.#isOver) return;
    const { callId, number } = this.#params;
    throw new KitaruContextError(
      `${what} was called by ${callId} after its attempt ${number} had ended. Await everything a checkpoint starts, and stop when checkpointContext().signal aborts.`,
    );
  }

  #orAborted(value: PromiseLike<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#onAbort = reject;
      if (this.#aborted !== undefined) reject(this.#aborted.reason);
      value.then(resolve, reject);
    });
  }
}

/** Ask a model with what this backend offers. */
export function runLlm(
  context: EngineContext,
  call: LlmCall,
  signal: AbortSignal,
): Promise<LlmOutcome> {
  return call.run({ signal, models: context.models, secrets: context.backend.secrets });
}

/** Abort `attempt` with a timeout error after `timeoutMs`; the result cancels. */
export function abortAfter(
  context: EngineContext,
  attempt: Attempt,
  callId: string,
  timeoutMs: number | undefined,
): () => void {
  if (timeoutMs === undefined) return doNothing;
  return context.clock.schedule(timeoutMs, () =>
    attempt.abort(
      new KitaruTimeoutError(`${callId} did not finish within its timeout of ${timeoutMs} ms.`, {
        details: { call: callId, timeoutMs },
      }),
    ),
  );
}

function doNothing(): void {}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === "object" || typeof value === "function") &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
