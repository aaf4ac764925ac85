import type { EngineContext } from "../engine/context.ts";
import { KitaruUsageError } from "../errors.ts";
import { digestOf } from "../hash.ts";
import type { CallKind } from "../journal/entry.ts";
import { type AlignedRow, alignRows } from "./diff-align.ts";
import { deltaOf, usageOf } from "./diff-usage.ts";
import { type Exchange, compareOutcomes, differingValues } from "./diff-values.ts";
import type {
  ComparedExecution,
  DiffCell,
  DiffOptions,
  DiffRow,
  DiffedCall,
  DiffedExecution,
  Difference,
  ExecutionDiff,
} from "./diff.ts";
import type { CallView, LlmView } from "./execution.ts";
import type { ExecutionView } from "./execution-view.ts";
import { lineageOf } from "./lineage-facts.ts";
import type { ReadExecution } from "./reading.ts";

/** An execution as it was read, and as it is shown. */
export interface DiffSource {
  readonly read: ReadExecution;
  readonly view: ExecutionView;
}

/** Compare executions of one flow with an original. Throws a usage error for those of another flow. */
export async function diffExecutions(
  context: EngineContext,
  original: DiffSource,
  others: readonly DiffSource[],
  options: DiffOptions,
): Promise<ExecutionDiff> {
  for (const other of others) checkFlow(original, other);
  const differ = new Differ(context, options.values === true);
  const source = sideOf(original);
  const sides = others.map((other) => sideOf(other, source.execution.id));
  const rows = alignRows(
    source.calls,
    sides.map(({ calls }) => calls),
  );
  return {
    flow: original.view.facts.flow,
    original: source.execution,
    others: await Promise.all(sides.map((side) => differ.execution(source, side))),
    rows: await Promise.all(rows.map((row) => differ.row(row))),
  };
}

function checkFlow({ view: { facts: a } }: DiffSource, { view: { facts: b } }: DiffSource): void {
  if (a.flow === b.flow) return;
  throw new KitaruUsageError(
    `Execution ${b.id} is of flow "${b.flow}", ${a.id} of flow "${a.flow}". Only executions of one flow can be compared.`,
  );
}

// ---- what is compared

/** One execution, ready to be compared. */
interface Side {
  readonly execution: DiffedExecution;
  readonly exchange: Exchange;
  readonly calls: readonly Call[];
}

interface Call {
  readonly id: string;
  readonly kind: CallKind;
  readonly name: string;
  readonly digest?: string;
  readonly source?: string | undefined;
  readonly shown: DiffedCall;
  readonly exchange: Exchange;
  /** What answered, place by place; undefined where nothing was asked, since an override answered. */
  readonly models: readonly (string | undefined)[];
  readonly artifacts: string;
}

function sideOf({ read, view }: DiffSource, originalId?: string): Side {
  const { facts, input, output } = view;
  const lineage = lineageOf(read.entries);
  const error = read.loaded.journal.state.ended?.err;
  return {
    execution: executionOf(view),
    exchange: {
      inputs: [{ name: "input", ref: input }],
      ...(output === undefined ? {} : { output }),
      ...(error === undefined ? {} : { error }),
    },
    calls: facts.calls.map((call): Call => {
      const known = lineage.calls.get(call.id);
      const { id, kind, name } = call;
      return {
        id,
        kind,
        name,
        ...(known?.digest === undefined ? {} : { digest: digestOf(known.digest) }),
        source: facts.replayOf === originalId ? known?.source : undefined,
        shown: callOf(call),
        exchange: known ?? { inputs: [] },
        models: call.llm.map((llm) => (isAsked(llm) ? llm.resolvedModel : undefined)),
        artifacts: artifactsOf(call),
      };
    }),
  };
}

function executionOf({ facts }: ExecutionView): DiffedExecution {
  const { id, version, status, createdAt, startedAt, endedAt, replayOf, calls } = facts;
  const asked = calls.flatMap(({ llm }) => llm.filter(isAsked));
  const reused = asked.filter(({ usage }) => usage === "reused");
  return {
    id,
    version,
    status,
    createdAt,
    ...(replayOf === undefined ? {} : { replayOf }),
    ...(startedAt === undefined || endedAt === undefined
      ? {}
      : { durationMs: endedAt.getTime() - startedAt.getTime() }),
    ...usageOf(asked),
    ...(reused.length === 0 ? {} : { reused: usageOf(reused) }),
  };
}

function isAsked({ overridden }: LlmView): boolean {
  return overridden !== true;
}

function callOf({
  id,
  status,
  disposition,
  attempts,
  startedAt,
  endedAt,
  llm,
}: CallView): DiffedCall {
  const hasRun = disposition === "executed" && endedAt !== undefined;
  return {
    id,
    status,
    disposition,
    attempts: attempts.at(-1)?.number ?? 0,
    ...(hasRun ? { durationMs: Math.max(0, endedAt.getTime() - startedAt.getTime()) } : {}),
    ...usageOf(llm.filter(isAsked)),
  };
}

/** What a call saved; its prompts and responses are compared as input and output. */
function artifactsOf({ artifacts }: CallView): string {
  const saved = artifacts.filter(({ type }) => type !== "prompt" && type !== "response");
  return saved.map(({ name, type, version }) => JSON.stringify([name, type, version])).join();
}

// ---- comparing

/** How often a model was asked is no difference of its own: it follows from what it said. */
function hasSameModels(a: Call, b: Call): boolean {
  return a.models.every((model, place) => {
    const other = b.models[place];
    return model === undefined || other === undefined || model === other;
  });
}

/** An answer that nothing has asked for has no digest, and is like any question. */
function hasSameInput(a: Call, b: Call): boolean {
  return a.digest === undefined || b.digest === undefined || a.digest === b.digest;
}

class Differ {
  readonly #context: EngineContext;
  readonly #isShowing: boolean;

  constructor(context: EngineContext, isShowing: boolean) {
    this.#context = context;
    this.#isShowing = isShowing;
  }

  async execution(original: Side, other: Side): Promise<ComparedExecution> {
    const { values } = this.#context;
    const [a, b] = [original.exchange, other.exchange];
    const inputs = await differingValues(values, a, b, ["input"]);
    const differences: Difference[] = [
      ...(inputs.length === 0 ? [] : ["input" as const]),
      ...(original.execution.status === other.execution.status ? [] : ["status" as const]),
      ...(await compareOutcomes(values, a, b)),
    ];
    return {
      ...other.execution,
      state: differences.length === 0 ? "match" : "changed",
      differences,
      delta: deltaOf(original.execution, other.execution),
      ...(await this.#values(a, b, differences)),
    };
  }

  async row({ original, others }: AlignedRow<Call>): Promise<DiffRow> {
    const call = original ?? others.find((other) => other !== undefined);
    if (call === undefined) throw new TypeError("a row has at least one call");
    const { id, kind, name } = call;
    return {
      id,
      kind,
      name,
      ...(original === undefined ? {} : { original: original.shown }),
      others: await Promise.all(others.map((other) => this.#cell(original, other))),
    };
  }

  async #cell(original: Call | undefined, other: Call | undefined): Promise<DiffCell> {
    if (other === undefined)
      return {
        state: original === undefined ? "neither" : "only original",
        differences: [],
        delta: {},
      };
    if (original === undefined)
      return { state: "only other", differences: [], call: other.shown, delta: {} };
    const differences = await this.#compare(original, other);
    return {
      state: differences.length === 0 ? "match" : "changed",
      differences,
      call: other.shown,
      delta: deltaOf(original.shown, other.shown),
      ...(await this.#values(original.exchange, other.exchange, differences)),
    };
  }

  async #compare(a: Call, b: Call): Promise<Difference[]> {
    return [
      ...(hasSameInput(a, b) ? [] : ["input" as const]),
      ...(a.shown.status === b.shown.status ? [] : ["status" as const]),
      ...(await compareOutcomes(this.#context.values, a.exchange, b.exchange)),
      ...(hasSameModels(a, b) ? [] : ["model" as const]),
      ...(a.artifacts === b.artifacts ? [] : ["artifacts" as const]),
    ];
  }

  async #values(
    a: Exchange,
    b: Exchange,
    differences: readonly Difference[],
  ): Promise<Pick<DiffCell, "values">> {
    if (!this.#isShowing || differences.length === 0) return {};
    return { values: await differingValues(this.#context.values, a, b, differences) };
  }
}
