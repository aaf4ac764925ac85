import { KitaruStateError, KitaruUsageError, KitaruWaitValidationError } from "../../errors.ts";
import { digest } from "../../hash.ts";
import type { PlannedOverride } from "../../journal/entry.ts";
import { checkAnswer } from "../answer.ts";
import type { EngineContext } from "../context.ts";
import { replacementOf } from "./given.ts";
import type { Override, OutputOverride } from "./override.ts";
import { type Selected, type Selectors, wordOf } from "./selectors.ts";

/**
 * Check overrides against what there is, and store the values they give.
 * Throws a usage error for what can never work, a state error for what the source does not know, and a
 * wait-validation error for an answer that does not fit its wait.
 */
export async function planOverrides(
  context: EngineContext,
  selectors: Selectors,
  overrides: readonly Override[],
): Promise<PlannedOverride[]> {
  const planned: PlannedOverride[] = [];
  for (const override of overrides) {
    const selected = selectors.target(override.target, "override");
    checkField(selected, override);
    checkAlone(planned, selected.target, override);
    planned.push(await plan(context, selected, override));
  }
  return planned;
}

/** Check what is to be skipped. */
export function planSkips(
  selectors: Selectors,
  skip: readonly string[],
  overrides: readonly PlannedOverride[],
): string[] {
  return skip.map((text) => {
    const { target, kind, name } = selectors.target(text, "skip");
    if (kind === "wait")
      throw new KitaruUsageError(
        `Cannot skip wait "${name}": an answer is not carried over to content it was not given for. Give the answer with an override of wait.${name}.`,
      );
    const other = overrides.find(
      (override) =>
        override.target === target ||
        override.target === `${kind}.${name}` ||
        idOf(override.target, name),
    );
    if (other === undefined) return target;
    throw new KitaruUsageError(
      `Cannot skip and override "${name}" (skip: ${text}, override: ${other.target}). Leave out one of them.`,
    );
  });
}

function idOf(target: string, name: string): boolean {
  return target.startsWith(`${name}:`);
}

function checkField({ kind, name }: Selected, { field, target }: Override): void {
  if (field === "model" && kind !== "llm")
    throw new KitaruUsageError(
      `${target} is not an llm call but a ${wordOf(kind)}, so there is no model to override. Name the llm call inside it: llm.NAME.`,
    );
  if (field === "code" && kind !== "checkpoint")
    throw new KitaruUsageError(
      `${target} is not a checkpoint but ${kind === "llm" ? "an" : "a"} ${wordOf(kind)}, so there is no code to override.`,
    );
  if (field === "input" && (kind === "wait" || kind === "sleep"))
    throw new KitaruUsageError(
      `${wordOf(kind)} "${name}" does not expose replayable inputs. Override its output instead.`,
    );
}

function checkAlone(
  planned: readonly PlannedOverride[],
  target: string,
  { field }: Override,
): void {
  const others = planned.filter((other) => other.target === target);
  if (others.some((other) => other.field === field))
    throw new KitaruUsageError(
      `${target} has two overrides of its ${field}. Leave out one of them.`,
    );
  const isGiven = field === "output" || others.some((other) => other.field === "output");
  const [other] = others;
  if (isGiven && other !== undefined)
    throw new KitaruUsageError(
      `An override of ${target} cannot include both ${other.field} and ${field}: with its output given it does not run. Leave out one of them.`,
    );
}

async function plan(
  context: EngineContext,
  selected: Selected,
  override: Override,
): Promise<PlannedOverride> {
  const { target } = selected;
  const { values, registry } = context;
  switch (override.field) {
    case "output": {
      const output = await outputOf(context, selected, override);
      const value = await values.put(output, `the output that overrides ${target}`);
      return { target, field: "output", value, vh: digest(output) };
    }
    case "input": {
      const value = await values.put(override.input, `the input that overrides that of ${target}`);
      return { target, field: "input", value };
    }
    case "model":
      return { target, field: "model", model: checkModel(target, override.model) };
    case "code":
      return {
        target,
        field: "code",
        checkpoint: replacementOf(registry, target, override.code).name,
      };
  }
}

/** Answers are held to the schema of their wait, and recorded as it makes them. */
async function outputOf(
  { registry }: EngineContext,
  { kind, name, target }: Selected,
  { output, isUnchecked }: OutputOverride,
): Promise<unknown> {
  if (kind === "sleep" && output !== undefined && output !== null)
    throw new KitaruStateError(`${target} is a sleep, which has no value: override it with null.`);
  if (kind === "sleep") return undefined;
  const wait = kind === "wait" && isUnchecked === true ? registry.wait(name) : undefined;
  if (wait === undefined) return output;
  const checked = await checkAnswer(wait, output);
  if (checked.ok) return checked.value;
  throw new KitaruWaitValidationError(
    `The override of ${target} is not an answer to it: ${checked.issues}`,
  );
}

function checkModel(target: string, model: string): string {
  if (typeof model === "string" && model.trim() !== "") return model;
  throw new KitaruUsageError(
    `The model of ${target} is overridden with ${JSON.stringify(model)}. Give an alias or provider/model.`,
  );
}
