import type { CallExpression, Class, Node, ObjectExpression } from "oxc-parser";
import type { SourceFile } from "./source.ts";
import type { FunctionNode } from "./syntax.ts";

/** A global, or what a package exports. Calls are part of the path: `new Pool().query` is at Pool, new(), query. */
export interface External {
  readonly kind: "external";
  /** Name of the package or module without `node:`; empty for globals. */
  readonly from: string;
  readonly path: readonly string[];
}

/** A flow, checkpoint or wait, or a member of one. */
export interface Handle {
  readonly kind: "handle";
  readonly definition: Definition;
  readonly member?: string;
}

/** What an expression is known to stand for, without running anything. */
export type Value =
  | External
  | Handle
  | { readonly kind: "function"; readonly node: FunctionNode }
  | { readonly kind: "object"; readonly node: ObjectExpression }
  | { readonly kind: "class" | "instance"; readonly node: Class }
  /** All that a file exports. */
  | { readonly kind: "module"; readonly file: SourceFile }
  /** Any other expression: a literal, an array, … */
  | { readonly kind: "expression"; readonly node: Node }
  | { readonly kind: "unknown" };

/** A call of flow(), checkpoint() or wait(). */
export interface Definition {
  readonly kind: "flow" | "checkpoint" | "wait";
  readonly call: CallExpression;
}

export const unknown: Value = { kind: "unknown" };

/** An external value. */
export function external(from: string, path: readonly string[]): External {
  return { kind: "external", from, path };
}

/** Text of an external value: `Date.now`, `fs#promises.readFile`. */
export function externalName({ from, path }: External): string {
  return from === "" ? path.join(".") : `${from}#${path.join(".")}`;
}
