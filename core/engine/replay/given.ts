import { KitaruStateError, KitaruUsageError } from "../../errors.ts";
import type { PlannedOverride } from "../../journal/entry.ts";
import type { ValueStore } from "../../journal/values.ts";
import type { LlmCall, LlmChange } from "../../ports/model.ts";
import type { CheckpointDefinition, Registry } from "../definitions.ts";
import type { CallSpec } from "../scope.ts";

/** What overrides put into a call instead of its own input and code; read before the flow begins. */
export class GivenInputs {
  readonly #registry: Registry;
  readonly #inputs: ReadonlyMap<PlannedOverride, readonly unknown[]>;

  constructor(registry: Registry, inputs: ReadonlyMap<PlannedOverride, readonly unknown[]>) {
    this.#registry = registry;
    this.#inputs = inputs;
  }

  /** The call with what `overrides` put in. */
  apply(spec: CallSpec, overrides: readonly PlannedOverride[]): CallSpec {
    return overrides.reduce((current, override) => this.#put(current, override), spec);
  }

  /** An llm call with what `overrides` put in. */
  applyToLlm(call: LlmCall, overrides: readonly PlannedOverride[]): LlmCall {
    return overrides.reduce((current, override) => this.#putIntoLlm(current, override), call);
  }

  #put(spec: CallSpec, override: PlannedOverride): CallSpec {
    switch (spec.kind) {
      case "checkpoint":
        if (override.field === "code")
          return { ...spec, definition: this.#withCode(spec.definition, override.checkpoint) };
        return override.field === "input" ? { ...spec, args: this.#inputOf(override) } : spec;
      case "flow":
        return override.field === "input" ? { ...spec, input: this.#inputOf(override)[0] } : spec;
      case "llm":
        return { ...spec, call: this.#putIntoLlm(spec.call, override) };
      case "wait":
      case "sleep":
        return spec;
    }
  }

  #putIntoLlm(call: LlmCall, override: PlannedOverride): LlmCall {
    if (override.field === "model") return changed(call, { model: override.model });
    if (override.field !== "input") return call;
    return changed(call, { prompt: String(this.#inputOf(override)[0]) });
  }

  #inputOf(override: PlannedOverride): readonly unknown[] {
    return this.#inputs.get(override) ?? [];
  }

  #withCode(definition: CheckpointDefinition, name: string): CheckpointDefinition {
    return { ...definition, fn: replacementOf(this.#registry, definition.name, name).fn };
  }
}

/** Read the inputs that overrides put in. Throws a state error when the code of one is not in this program. */
export async function readGiven(
  values: ValueStore,
  registry: Registry,
  overrides: readonly PlannedOverride[],
): Promise<GivenInputs> {
  const inputs = new Map<PlannedOverride, readonly unknown[]>();
  for (const override of overrides) {
    if (override.field === "code") replacementOf(registry, override.target, override.checkpoint);
    if (override.field !== "input") continue;
    inputs.set(override, (await values.get(override.value)) as readonly unknown[]);
  }
  return new GivenInputs(registry, inputs);
}

/** The checkpoint whose function runs instead of that of `target`. */
export function replacementOf(
  registry: Registry,
  target: string,
  name: string,
): CheckpointDefinition {
  const found = registry.checkpoint(name);
  if (found !== undefined) return found;
  throw new KitaruStateError(
    `Checkpoint "${name}", whose function stands in for that of ${target} in this replay, is not defined in this program. Import the module that defines it, or name that under \`flows\` in kitaru.config.ts.`,
    { details: { checkpoint: name } },
  );
}

function changed(call: LlmCall, change: LlmChange): LlmCall {
  if (call.with !== undefined) return call.with(change);
  const [what] = Object.keys(change);
  const refuse = (): Promise<never> =>
    Promise.reject(
      new KitaruUsageError(
        `The llm call "${call.name}" does not expose a replayable ${what}: it was made by durableModel(), whose caller chose the model and the prompt. Override its output, or change the code.`,
      ),
    );
  return { ...call, run: refuse };
}
