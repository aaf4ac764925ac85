import type { CallExpression, NewExpression, Node } from "oxc-parser";
import type { Body } from "./body.ts";
import type { Binding } from "./scope.ts";
import type { Sources } from "./sources.ts";
import { type FunctionNode, childrenOf, isFunction, memberName, unwrap } from "./syntax.ts";
import { type Value, externalName } from "./value.ts";
import type { Values } from "./values.ts";

/** What becomes of the promise of a durable call, where it is lost. */
export type Loss =
  | { readonly kind: "dropped" }
  | { readonly kind: "unused"; readonly name: string }
  /** Something is done with the promise that was meant for its value. */
  | { readonly kind: "mistaken" };

/** A durable promise, or an array of them. */
type Durable = "promise" | "array";

const combinators = new Set(["all", "allSettled", "any", "race"].map((name) => `Promise.${name}`));
const chaining = new Set(["then", "catch", "finally"]);
const mapping = new Set(["map", "flatMap"]);
/** Methods of arrays that look at what their function returns without awaiting it, or do not look at all. */
const deaf = new Set([
  "forEach",
  "filter",
  "some",
  "every",
  "find",
  "findIndex",
  "findLast",
  "findLastIndex",
  "sort",
]);

/** Whether calling a value is a durable call by itself. */
export function isDurable(value: Value): boolean {
  if (value.kind === "external")
    return ["kitaru#llm", "kitaru#sleep"].includes(externalName(value));
  if (value.kind !== "handle") return false;
  const { definition, member } = value;
  if (definition.kind === "flow") return member === "call";
  return member === undefined || (definition.kind === "checkpoint" && member === "map");
}

/** Knows which expressions are promises of durable calls, and what becomes of them. */
export class Promises {
  readonly #sources: Sources;
  readonly #values: Values;
  readonly #functions = new Map<FunctionNode, boolean>();
  readonly #open = new Set<Binding>();

  constructor({ sources, values }: Pick<Body, "sources" | "values">) {
    this.#sources = sources;
    this.#values = values;
  }

  /** The name of the array method that a call gives an async durable function it cannot await, if it does. */
  deafCall({ callee, arguments: [first] }: CallExpression | NewExpression): string | undefined {
    const method = unwrap(callee);
    const name = method.type === "MemberExpression" ? memberName(method) : undefined;
    if (name === undefined || !deaf.has(name) || first === undefined) return undefined;
    return this.#isDurableFunction(this.#values.of(first)) ? name : undefined;
  }

  /** How the promise of a call is lost; undefined when it is not durable, or something is done with it. */
  lossOf(call: CallExpression | NewExpression): Loss | undefined {
    const durable = this.#durable(call);
    return durable === undefined ? undefined : this.#fate(call, durable);
  }

  /** Whether an expression is a durable promise; `byName` follows names to what they hold. */
  #durable(expression: Node, byName = false): Durable | undefined {
    const node = unwrap(expression);
    switch (node.type) {
      case "CallExpression":
        return this.#durableCall(node);
      case "ConditionalExpression":
        return this.#durable(node.consequent, byName) ?? this.#durable(node.alternate, byName);
      case "LogicalExpression":
        return this.#durable(node.left, byName) ?? this.#durable(node.right, byName);
      case "ArrayExpression": {
        const holds = node.elements.some(
          (one) =>
            one !== null &&
            this.#durable(one.type === "SpreadElement" ? one.argument : one, byName) !== undefined,
        );
        return holds ? "array" : undefined;
      }
      case "Identifier":
        return byName ? this.#held(node) : undefined;
      default:
        return undefined;
    }
  }

  #held(name: Node): Durable | undefined {
    const declarator = this.#sources.fileOf(name).references.get(name)?.node;
    return declarator?.type === "VariableDeclarator" && declarator.init !== null
      ? this.#durable(declarator.init)
      : undefined;
  }

  #durableCall({ callee, arguments: args }: CallExpression): Durable | undefined {
    const value = this.#values.of(callee);
    if (isDurable(value) || this.#isDurableFunction(value)) return "promise";
    const [first] = args;
    if (value.kind === "external" && combinators.has(externalName(value)))
      return first !== undefined && this.#durable(first, true) !== undefined
        ? "promise"
        : undefined;
    const method = unwrap(callee);
    const name = method.type === "MemberExpression" ? memberName(method) : undefined;
    if (method.type !== "MemberExpression" || name === undefined) return undefined;
    if (chaining.has(name)) return this.#durable(method.object);
    const isMapped =
      mapping.has(name) && first !== undefined && this.#isDurableFunction(this.#values.of(first));
    return isMapped ? "array" : undefined;
  }

  /** Whether calling a value gives a promise of durable work. */
  #isDurableFunction(value: Value): boolean {
    if (value.kind !== "function") return isDurable(value);
    const known = this.#functions.get(value.node);
    if (known !== undefined) return known;
    this.#functions.set(value.node, false); // as long as that depends on itself
    const works = this.#worksDurably(value.node);
    this.#functions.set(value.node, works);
    return works;
  }

  #worksDurably(node: FunctionNode): boolean {
    if (node.generator || node.body === null) return false;
    if (node.async) return this.#calls(node.body);
    if (node.body.type !== "BlockStatement") return this.#durable(node.body, true) !== undefined;
    return this.#returns(node.body);
  }

  #calls(node: Node): boolean {
    if (isFunction(node)) return false;
    if (node.type === "CallExpression" && this.#durableCall(node) !== undefined) return true;
    return childrenOf(node).some((child) => this.#calls(child));
  }

  #returns(node: Node): boolean {
    if (isFunction(node)) return false;
    if (node.type === "ReturnStatement")
      return node.argument !== null && this.#durable(node.argument, true) !== undefined;
    return childrenOf(node).some((child) => this.#returns(child));
  }

  #fate(node: Node, durable: Durable): Loss | undefined {
    const { parent } = node;
    switch (parent?.type) {
      case "ExpressionStatement":
        return { kind: "dropped" };
      case "UnaryExpression":
        if (parent.operator === "void") return { kind: "dropped" };
        return parent.operator === "typeof" ? undefined : { kind: "mistaken" };
      case "SequenceExpression":
        return parent.expressions.at(-1) === node
          ? this.#fate(parent, durable)
          : { kind: "dropped" };
      case "LogicalExpression":
        if (parent.left === node && parent.operator !== "??") return { kind: "mistaken" };
        return this.#fate(parent, durable);
      case "ConditionalExpression":
        return parent.test === node ? { kind: "mistaken" } : this.#fate(parent, durable);
      case "ForStatement":
        return { kind: parent.test === node ? "mistaken" : "dropped" };
      case "IfStatement":
      case "WhileStatement":
      case "DoWhileStatement":
      case "SwitchStatement":
      case "TemplateLiteral":
        return isTagged(parent) ? undefined : { kind: "mistaken" };
      case "BinaryExpression":
        return parent.operator.startsWith("in") ? undefined : { kind: "mistaken" };
      case "MemberExpression":
        return this.#memberFate(parent, durable);
      case "ArrayExpression":
        return this.#fate(parent, "array");
      case "Property":
      case "ObjectExpression":
        return this.#fate(parent, "array");
      case "VariableDeclarator":
        return this.#declaredFate(parent.id, durable);
      case "AssignmentExpression":
        return this.#assignedFate(parent, durable);
      default:
        return parent && unwrap(parent) === unwrap(node) ? this.#fate(parent, durable) : undefined;
    }
  }

  #memberFate(
    parent: Extract<Node, { type: "MemberExpression" }>,
    durable: Durable,
  ): Loss | undefined {
    const name = memberName(parent);
    const isPromise = durable === "promise" && name !== undefined && !chaining.has(name);
    return isPromise ? { kind: "mistaken" } : undefined;
  }

  /** A name that holds a promise loses it when every use of the name does. */
  #declaredFate(id: Node, durable: Durable): Loss | undefined {
    if (id.type !== "Identifier") return durable === "promise" ? { kind: "mistaken" } : undefined;
    const binding = this.#sources.fileOf(id).declarations.get(id);
    if (binding === undefined || this.#open.has(binding)) return undefined;
    this.#open.add(binding); // it may be used where it is declared
    const fates = binding.reads.map((read) => this.#fate(read, durable));
    this.#open.delete(binding);
    if (fates.includes(undefined)) return undefined;
    return fates.find((loss) => loss?.kind === "mistaken") ?? { kind: "unused", name: id.name };
  }

  #assignedFate(
    parent: Extract<Node, { type: "AssignmentExpression" }>,
    durable: Durable,
  ): Loss | undefined {
    const { left } = parent;
    if (left.type === "ObjectPattern" || left.type === "ArrayPattern")
      return durable === "promise" ? { kind: "mistaken" } : undefined;
    if (left.type !== "Identifier") return undefined;
    const binding = this.#sources.fileOf(left).references.get(left);
    const isUnused = binding?.reads.length === 0 && parent.parent?.type === "ExpressionStatement";
    return isUnused ? { kind: "unused", name: left.name } : undefined;
  }
}

function isTagged(node: Node): boolean {
  return node.type === "TemplateLiteral" && node.parent?.type === "TaggedTemplateExpression";
}
