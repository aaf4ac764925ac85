import type { CallExpression, Node } from "oxc-parser";
import { checkName } from "../../core/engine/definitions.ts";
import { messageOf } from "../../core/errors.ts";
import type { Body } from "./body.ts";
import { placeOf } from "./source.ts";
import { functionAround } from "./syntax.ts";
import type { Definition } from "./value.ts";

interface NamesParams extends Pick<Body, "sources" | "values" | "report"> {
  /** A path as a person reads it. */
  readonly display: (path: string) => string;
  /** Whether one program loads all files. */
  readonly isOneProgram: boolean;
}

/** Reports names that are not allowed, are taken, or cannot be told before the program runs. */
export class Names {
  readonly #params: NamesParams;
  readonly #taken = new Map<string, Definition[]>();

  constructor(params: NamesParams) {
    this.#params = params;
  }

  /** Check the name of a definition against what is allowed, and against those checked before. */
  check(definition: Definition): void {
    const { values, report } = this.#params;
    const { kind, call } = definition;
    const [node] = call.arguments;
    if (node === undefined) return;
    const name = values.text(node);
    if (name === undefined)
      return report(
        "dynamic-name",
        node,
        `The name of this ${kind} is made while the program runs. Whether it is allowed and free cannot be checked: write it as text.`,
      );
    if (!this.#isAllowed(`${kind}()`, name, node) || functionAround(call) !== undefined) return;
    const others = this.#taken.get(name) ?? [];
    this.#taken.set(name, [...others, definition]);
    const other = others.find((one) => !areAlternatives(one.call, call));
    if (other !== undefined) this.#reportTaken(name, node, other);
  }

  #reportTaken(name: string, node: Node, { kind, call }: Definition): void {
    const { sources, report, display, isOneProgram } = this.#params;
    const [here, there] = [sources.fileOf(node), sources.fileOf(call)];
    const place = `${display(there.path)}:${placeOf(there, call).line}`;
    const taken = `"${name}" is the name of a ${kind} in ${place} too.`;
    if (isOneProgram || sources.areLoadedTogether(here, there))
      report(
        "duplicate-name",
        node,
        `${taken} Every flow, checkpoint and wait of a program needs a name of its own: rename one of them.`,
      );
    else
      report(
        "duplicate-name",
        node,
        `${taken} A program that loads both files is refused: rename one of them, unless no program does.`,
        "warning",
      );
  }

  /** Check the name that a call of llm() is given. */
  checkLlm({ arguments: [, options] }: CallExpression): void {
    const given = options === undefined ? undefined : this.#params.values.of(options);
    if (given?.kind !== "object") return;
    const name = this.#params.values.member(given, "name");
    const text = name.kind === "expression" ? this.#params.values.text(name.node) : undefined;
    if (name.kind === "expression" && text !== undefined) this.#isAllowed("llm()", text, name.node);
  }

  #isAllowed(what: string, name: string, node: Node): boolean {
    try {
      checkName(what, name);
      return true;
    } catch (error) {
      this.#params.report("invalid-name", node, messageOf(error));
      return false;
    }
  }
}

/** Whether two calls are in different branches of one decision, so that only one is made. */
function areAlternatives(one: Node, other: Node): boolean {
  const above = new Map<Node, Node>();
  for (let node = one; node.parent; node = node.parent) above.set(node.parent, node);
  for (let node = other; node.parent; node = node.parent) {
    const branch = above.get(node.parent);
    if (branch === undefined) continue;
    const { type } = node.parent;
    const isDecision =
      type === "ConditionalExpression" ||
      type === "IfStatement" ||
      type === "LogicalExpression" ||
      type === "SwitchStatement";
    return isDecision && branch !== node;
  }
  return false;
}
