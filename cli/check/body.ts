import type { Node } from "oxc-parser";
import type { Rule, Severity } from "./rules.ts";
import type { Binding } from "./scope.ts";
import type { Sources } from "./sources.ts";
import { keyName, unwrap } from "./syntax.ts";
import type { Values } from "./values.ts";

/** Takes what was found at a node. */
export type Report = (rule: Rule, node: Node, message: string, severity?: Severity) => void;

/** The body of a flow or checkpoint, as a rule looks at it. */
export interface Body {
  readonly sources: Sources;
  readonly values: Values;
  readonly report: Report;
  /** Where in the program: `flow "review"`, or `stamp(), which flow "review" calls`. */
  readonly where: string;
  /** Whether a name belongs to one run of the body, and does not outlive it. */
  isOwn(binding: Binding): boolean;
}

/** What a name refers to; undefined for globals and for what is no name. */
export function bindingOf({ sources }: Body, node: Node): Binding | undefined {
  return node.type === "Identifier" ? sources.fileOf(node).references.get(node) : undefined;
}

/** An expression as it is spoken of in a message: short, on one line, calls without arguments. */
export function shown({ sources }: Body, expression: Node): string {
  const node = unwrap(expression);
  const { text } = sources.fileOf(node);
  switch (node.type) {
    case "CallExpression":
      return `${short(text, node.callee)}()`;
    case "NewExpression":
      return `new ${short(text, node.callee)}()`;
    case "Property": {
      const declarator = node.parent?.parent;
      const init = declarator?.type === "VariableDeclarator" ? declarator.init : null;
      const name = keyName(node.key, node.computed) ?? short(text, node.key);
      return init === null ? name : `${short(text, init)}.${name}`;
    }
    default: {
      const { parent } = node;
      const isCallee = parent?.type === "CallExpression" && unwrap(parent.callee) === node;
      return isCallee ? `${short(text, node)}()` : short(text, node);
    }
  }
}

const longest = 40;

function short(text: string, { start, end }: Node): string {
  const line = text
    .slice(start, end)
    .replaceAll(/\s+/g, " ")
    .replaceAll(/ ?\. ?/g, ".");
  return line.length <= longest ? line : `…${line.slice(1 - longest).toWellFormed()}`;
}
