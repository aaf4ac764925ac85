import type {
  CodeOverride,
  InputOverride,
  ModelOverride,
  OutputOverride,
} from "../engine/replay/override.ts";

/** Calls of a replay: a call id, a name, `checkpoint.NAME`, or the handle of what is called. */
export type ReplayTarget = string | { readonly selector: string };

/** The text of a target. */
export function selectorOf(target: ReplayTarget): string {
  return typeof target === "string" ? target : target.selector;
}

/** Overrides of what one selector names, untyped; a handle gives them its types. */
export interface Overridable {
  readonly selector: string;
  readonly as: (output: unknown) => OutputOverride;
  readonly withInput: (...input: readonly unknown[]) => InputOverride;
  readonly withCode: (replacement: { readonly name: string }) => CodeOverride;
  readonly withModel: (model: string) => ModelOverride;
}

/** Make overrides for what a selector names. */
export function overridable(selector: string): Overridable {
  const common = { kind: "override", target: selector } as const;
  return {
    selector,
    as: (output) => ({ ...common, field: "output", output }),
    withInput: (...input) => ({ ...common, field: "input", input }),
    withCode: ({ name }) => ({ ...common, field: "code", code: name }),
    withModel: (model) => ({ ...common, field: "model", model }),
  };
}
