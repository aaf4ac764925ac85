import type {
  Argument,
  CallExpression,
  Class,
  NewExpression,
  Node,
  VariableDeclarator,
} from "oxc-parser";
import type { Body, Report } from "./body.ts";
import { defaultsThatRun } from "./defaults.ts";
import type { Binding, Scope } from "./scope.ts";
import {
  type FunctionNode,
  childrenOf,
  isClass,
  isFunction,
  isWithin,
  keyName,
  unwrap,
  wrapping,
} from "./syntax.ts";
import type { Definition, Value } from "./value.ts";

/**
 * Visits what runs when a function runs: its own code, functions written in place, and the functions it calls or
 * hands on, wherever in the checked files they are. Not the functions of checkpoints and of llm(), which are recorded.
 */
export abstract class Walk implements Body {
  readonly sources: Body["sources"];
  readonly values: Body["values"];
  readonly report: Report;
  readonly #entered = new Set<Node>();
  #definition: Definition | undefined;
  #root: FunctionNode | undefined;
  #current: FunctionNode | undefined;
  /** Whether functions are handed to what records their work. */
  #isRecorded = false;

  constructor({ sources, values, report }: Pick<Body, "sources" | "values" | "report">) {
    this.sources = sources;
    this.values = values;
    this.report = report;
  }

  /** Visit what runs when `body` runs. Each function is visited once in the life of a walk. */
  run(definition: Definition, body: FunctionNode): void {
    this.#definition = definition;
    this.#root = body;
    this.#enter(body, []);
  }

  /** A definition made where the walk is. */
  protected abstract onDefinition(call: CallExpression, definition: Definition): void;
  /** A call, before what it calls and its arguments are visited. */
  protected abstract onCall(call: CallExpression | NewExpression, callee: Value): void;
  /** Something that is read. Returns whether there is nothing more to say of it. */
  protected abstract onMention(node: Node, value: Value): boolean;
  /** Any other node. */
  protected abstract onNode(node: Node): void;

  get where(): string {
    const definition = this.#definition;
    if (definition === undefined) return "the program";
    const [first] = definition.call.arguments;
    const name = first === undefined ? undefined : this.values.text(first);
    const whose = name === undefined ? `a ${definition.kind}` : `${definition.kind} "${name}"`;
    const current = this.#current;
    const root = this.#root;
    if (current === undefined || root === undefined || isWithin(current, root)) return whose;
    return `${functionName(current)} (called by ${whose})`;
  }

  isOwn(binding: Binding): boolean {
    for (let scope: Scope | undefined = binding.scope; scope; scope = scope.parent)
      if (this.#entered.has(scope.node)) return true;
    return false;
  }

  /** Visit a function, with the defaults that `given` arguments make run; undefined when those are not known. */
  #enter(node: FunctionNode, given?: readonly Argument[]): void {
    const before = { current: this.#current, isRecorded: this.#isRecorded };
    this.#current = node;
    this.#isRecorded = false;
    for (const one of defaultsThatRun(node, given, (value) => this.values.of(value)))
      this.#visit(one);
    if (!this.#entered.has(node)) {
      this.#entered.add(node);
      if (node.body !== null) this.#visit(node.body);
    }
    this.#current = before.current;
    this.#isRecorded = before.isRecorded;
  }

  #children(node: Node): void {
    for (const child of childrenOf(node)) this.#visit(child);
  }

  #visit(node: Node): void {
    if (isFunction(node)) {
      if (!this.#isRecorded && !this.#hasName(node)) this.#enter(node);
      return;
    }
    if (isClass(node)) return this.#defineClass(node);
    switch (node.type) {
      case "CallExpression":
      case "NewExpression":
        return this.#call(node);
      case "Identifier":
      case "MemberExpression":
        return this.#mention(node);
      case "UnaryExpression":
        if (node.operator === "typeof" && isChain(node.argument)) return;
        break;
      case "BinaryExpression":
        if (node.operator === "instanceof") return this.#visit(node.left);
        break;
      case "VariableDeclarator":
        if (this.#takeApart(node)) return;
        break;
      default:
    }
    this.onNode(node);
    this.#children(node);
  }

  #call(node: CallExpression | NewExpression): void {
    const definition = node.type === "CallExpression" ? this.values.definition(node) : undefined;
    if (node.type === "CallExpression" && definition !== undefined)
      return this.onDefinition(node, definition);
    const value = this.values.of(node.callee);
    this.onCall(node, value);
    if (node.type === "NewExpression" && value.kind === "class")
      this.#construct(value.node, node.arguments);
    if (value.kind === "function") this.#enter(value.node, node.arguments);
    if (!isFunction(unwrap(node.callee))) this.#visit(node.callee);
    const before = this.#isRecorded;
    this.#isRecorded ||= this.values.isExternal(node.callee, "kitaru#llm");
    for (const one of node.arguments) this.#visit(one);
    this.#isRecorded = before;
  }

  #mention(node: Node): void {
    const value = this.values.of(node);
    if (!this.onMention(node, value)) this.#reach(node, value);
    this.#parts(node, value);
  }

  /** Follow what is mentioned, since it may be called. */
  #reach(node: Node, value: Value): void {
    const { parent } = wrapping(node);
    const isCalled = parent?.type === "CallExpression" && unwrap(parent.callee) === node;
    if (isCalled || this.#isRecorded) return; // with what it is called with, and not here
    if (value.kind === "function") this.#enter(value.node);
    if (value.kind !== "object" || this.#entered.has(value.node)) return;
    this.#entered.add(value.node);
    for (const one of value.node.properties) {
      const inner = one.type === "SpreadElement" ? one.argument : one.value;
      const held = this.values.of(inner);
      if (held.kind === "function" || held.kind === "object") this.#reach(inner, held);
    }
  }

  /** Visit what a chain of properties computes: `a` is not mentioned in `a.b`, but in `a[f()]`. */
  #parts(node: Node, value: Value): void {
    if (node.type !== "MemberExpression") return;
    const object = unwrap(node.object);
    if (node.computed) this.#visit(node.property);
    const isUnknown = value.kind === "unknown" && node.computed;
    if (isUnknown || !isChain(object)) this.#visit(object);
    else this.#parts(object, this.values.of(object));
  }

  /** `const { env } = process` mentions `process.env`, not all of `process`. */
  #takeApart({ id, init }: VariableDeclarator): boolean {
    if (id.type !== "ObjectPattern" || init === null) return false;
    const object = unwrap(init);
    const value = this.values.of(object);
    const isKnown = value.kind !== "unknown" && value.kind !== "expression";
    const names = id.properties.map((one) =>
      one.type === "Property" ? keyName(one.key, one.computed) : undefined,
    );
    if (!isKnown || !isChain(object) || names.includes(undefined)) return false;
    for (const [index, one] of id.properties.entries())
      this.onMention(one, this.values.member(value, names[index] ?? ""));
    this.#children(id);
    this.#parts(object, value);
    return true;
  }

  /** What runs when a class is defined. */
  #defineClass(node: Class): void {
    if (node.superClass !== null) this.#visit(node.superClass);
    for (const one of node.body.body) {
      if (one.type === "StaticBlock") this.#children(one);
      else if ("key" in one && one.computed) this.#visit(one.key);
      if (one.type === "PropertyDefinition" && one.static && one.value !== null)
        this.#visit(one.value);
    }
  }

  /** What runs when an instance is made. */
  #construct(node: Class, given?: readonly Argument[]): void {
    if (this.#entered.has(node)) return;
    this.#entered.add(node);
    const base = node.superClass === null ? undefined : this.values.of(node.superClass);
    if (base?.kind === "class") this.#construct(base.node);
    for (const one of node.body.body) {
      if (one.type === "MethodDefinition" && one.kind === "constructor")
        this.#enter(one.value, given);
      if (one.type === "PropertyDefinition" && !one.static && one.value !== null)
        this.#visit(one.value);
    }
  }

  /** Whether a function is found by its name where it is called, so that it need not be taken as called where it is. */
  #hasName(node: FunctionNode): boolean {
    if (node.type === "FunctionDeclaration") return true;
    for (let inner = wrapping(node); ;) {
      const { parent } = inner;
      switch (parent?.type) {
        case "VariableDeclarator": {
          const { declarations } = this.sources.fileOf(node);
          return declarations.get(parent.id)?.writes.length === 0;
        }
        case "PropertyDefinition":
        case "MethodDefinition":
          return true;
        case "Property":
          if (parent.parent?.type !== "ObjectExpression") return false;
          inner = wrapping(parent.parent);
          break;
        case "CallExpression":
          if (!this.values.isPassThrough(parent)) return false;
          inner = wrapping(parent);
          break;
        default:
          return false;
      }
    }
  }
}

/** Whether an expression only reads names and properties. */
function isChain(expression: Node): boolean {
  const node = unwrap(expression);
  if (node.type === "MemberExpression") return isChain(node.object);
  if (node.type === "AwaitExpression") return node.argument.type === "ImportExpression";
  return (
    node.type === "Identifier" ||
    node.type === "ThisExpression" ||
    node.type === "Super" ||
    node.type === "MetaProperty"
  );
}

/** How a function is spoken of. */
function functionName(node: FunctionNode): string {
  for (let inner: Node | null | undefined = node; inner; inner = inner.parent) {
    const name = ownName(inner);
    if (name !== undefined) return `${name}()`;
  }
  return "a function";
}

function ownName(node: Node): string | undefined {
  switch (node.type) {
    case "FunctionDeclaration":
    case "FunctionExpression":
      return node.id?.name;
    case "VariableDeclarator":
      return node.id.type === "Identifier" ? node.id.name : undefined;
    case "Property":
    case "MethodDefinition":
    case "PropertyDefinition":
      return node.value !== null && isFunction(node.value)
        ? keyName(node.key, node.computed)
        : undefined;
    default:
      return undefined;
  }
}
