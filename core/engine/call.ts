import { digest, fingerprint, hashVersion } from "../hash.ts";
import type { CallFields } from "../journal/entry.ts";
import type { RecordedOutcome } from "../journal/state.ts";
import type { LlmCall } from "../ports/model.ts";
import type { Captured } from "./captured.ts";
import type { CallSpec } from "./scope.ts";

/** A call the flow has asked for in this advance. */
export interface Call extends CallFields {
  readonly spec: CallSpec;
  /** Arguments as they were asked; empty when the outcome was already recorded. */
  readonly inputs: readonly Captured[];
  /** Its outcome, once the journal has it. */
  recorded: RecordedOutcome | undefined;
  /** What the flow has been given for it. */
  readonly promise: Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
  settled: boolean;
  /** Epoch milliseconds when something happens to this open call by itself. */
  due?: number;
  /** In a replay, how this executing call hangs together with the source. */
  replayed?: ReplayedCall;
  /** What runs for it: an attempt, or the wait for the next one. A closure here would outlive its call until a full collection. */
  work: { abort(reason: unknown): void } | undefined;
}

/** An executing call of a replay. */
export interface ReplayedCall {
  /** It is the call to start from, or comes after it: nothing is taken over, from wherever. */
  readonly isFrom: boolean;
  /** What it is about has changed, or something before it: it may not take over any answer of a person. */
  readonly asks: boolean;
  /** Call of the source whose model answers, or whose child execution, may be taken over. */
  readonly base?: string;
}

/** The default name of a call of this kind. */
export function nameOf(spec: CallSpec): string {
  switch (spec.kind) {
    case "checkpoint":
    case "wait":
    case "flow":
      return spec.definition.name;
    case "llm":
      return spec.call.name;
    case "sleep":
      return "sleep";
  }
}

/** The values whose digest decides whether a recorded outcome fits the call. */
export function inputsOf(spec: CallSpec): readonly unknown[] {
  switch (spec.kind) {
    case "checkpoint":
      return spec.args;
    case "llm":
      return [spec.call.identity];
    case "wait":
      return [spec.definition.question, spec.definition.metadata];
    case "flow":
      return [spec.input];
    case "sleep":
      return [spec.length];
  }
}

/**
 * What tells the inputs of a call from others, in a journal of this hash version. It may be the inputs themselves, where they
 * are recorded anyway; what a model is asked need not be.
 */
export function hashOf(
  { kind }: CallSpec,
  inputs: readonly unknown[],
  version: number = hashVersion,
): string {
  return kind === "llm" || version < 2 ? digest(inputs) : fingerprint(inputs);
}

/** Name of one input in messages. */
export function inputName(spec: CallSpec, index: number): string {
  switch (spec.kind) {
    case "checkpoint":
      return `argument ${index + 1}`;
    case "llm":
      return "the request";
    case "wait":
      return index === 0 ? "the question" : "the metadata";
    case "flow":
      return "the input";
    case "sleep":
      return "ms";
  }
}

/** What counts of the request of a model call beside the prompt. */
export function optionsOf({ identity }: LlmCall): unknown {
  if (typeof identity !== "object" || identity === null) return undefined;
  return Object.fromEntries(
    Object.entries(identity).filter(([key]) => key !== "messages" && key !== "prompt"),
  );
}

/** The fields every entry about a call repeats. */
export function fieldsOf(call: Call): CallFields {
  const { id, kind, name, ask, h } = call;
  return { id, kind, name, ask, h };
}
