import type { CallExpression, Class, NewExpression, Node, ObjectExpression } from "oxc-parser";
import { type Export, exportsOf, nameOf } from "./exports.ts";
import type { Binding } from "./scope.ts";
import type { SourceFile } from "./source.ts";
import type { Sources } from "./sources.ts";
import {
  type FunctionNode,
  isClass,
  isFunction,
  keyName,
  literalText,
  memberName,
  ownerOfThis,
  unwrap,
} from "./syntax.ts";
import {
  type Definition,
  type Handle,
  type Value,
  external,
  externalName,
  unknown,
} from "./value.ts";

const definitionKinds = ["flow", "checkpoint", "wait"] as const;
const globalObjects = new Set(["globalThis", "global", "self", "window"]);
/** Modules that hold what is global as well. */
const sameAsGlobal: Readonly<Record<string, string>> = { process: "process", bun: "Bun" };
/** Functions that return what they are given first, for what is asked here. */
const passThrough = new Set([
  "Object.freeze",
  "Object.seal",
  "Object.assign",
  "util#promisify",
  "ai#tool",
  "ai#dynamicTool",
]);

/** Finds what expressions stand for, across the files of a program. */
export class Values {
  readonly #sources: Sources;
  readonly #values = new Map<Node, Value>();
  readonly #definitions = new Map<Node, Definition | undefined>();
  readonly #open = new Set<Node | string>();

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /** What an expression stands for. */
  of(expression: Node): Value {
    const node = unwrap(expression);
    const known = this.#values.get(node);
    if (known !== undefined) return known;
    this.#values.set(node, unknown); // what it is, as long as that depends on itself
    const value = this.#of(node);
    this.#values.set(node, value);
    return value;
  }

  /** What a property of a value stands for. */
  member(value: Value, name: string): Value {
    switch (value.kind) {
      case "external":
        if (name === "default" && value.path.length === 0) return value;
        return external(value.from, [...value.path, name]);
      case "object":
        return this.#property(value.node, name);
      case "class":
      case "instance":
        return this.#classMember(value.node, name, value.kind === "class");
      case "module":
        return this.#exported(value.file, name);
      case "handle":
        return this.#handleMember(value, name);
      case "function": // what is called with another `this` is the same function
        return name === "call" || name === "apply" || name === "bind" ? value : unknown;
      case "expression":
      case "unknown":
        return unknown;
    }
  }

  /** What a declared name stands for; unknown when it is given another value anywhere. */
  binding({ kind, node, path, writes }: Binding): Value {
    if (writes.length > 0) return unknown;
    if (kind === "import") return this.#imported(node);
    if (kind === "function" || kind === "class") return this.of(node);
    if (node.type !== "VariableDeclarator" || node.init === null || path === undefined)
      return unknown;
    return path.reduce((value: Value, name) => this.member(value, name), this.of(node.init));
  }

  /** The definition a call makes, if it is one of flow(), checkpoint() and wait() of kitaru. */
  definition(call: CallExpression): Definition | undefined {
    if (!this.#definitions.has(call)) {
      const kind = definitionKinds.find((one) => this.isExternal(call.callee, `kitaru#${one}`));
      this.#definitions.set(call, kind === undefined ? undefined : { kind, call });
    }
    return this.#definitions.get(call);
  }

  /** The function a definition is of, if it can be found. */
  bodyOf({ kind, call }: Definition): FunctionNode | undefined {
    const last = call.arguments.at(-1);
    if (kind === "wait" || last === undefined || call.arguments.length < 2) return undefined;
    return this.#functionOf(last) ?? this.#wrappedFunction(last);
  }

  #functionOf(expression: Node): FunctionNode | undefined {
    const value = this.of(expression);
    return value.kind === "function" ? value.node : undefined;
  }

  /** `traced(async (input) => …)`: what wraps a function is taken to call it. */
  #wrappedFunction(expression: Node): FunctionNode | undefined {
    const node = unwrap(expression);
    const given = node.type === "CallExpression" ? node.arguments : [];
    return given.flatMap((one) => this.#functionOf(one) ?? []).at(-1);
  }

  /** Whether an expression is the external value of this name. */
  isExternal(expression: Node, name: string): boolean {
    const value = this.of(expression);
    return value.kind === "external" && externalName(value) === name;
  }

  /** Whether a call returns what it is given first, for what is asked here. */
  isPassThrough({ callee }: CallExpression): boolean {
    const value = this.of(callee);
    return value.kind === "external" && passThrough.has(externalName(value));
  }

  /** Text of an expression, when it is known before the program runs. */
  text(expression: Node): string | undefined {
    const node = unwrap(expression);
    if (node.type === "TemplateLiteral") return this.#template(node);
    if (node.type === "BinaryExpression" && node.operator === "+") {
      const [left, right] = [this.text(node.left), this.text(node.right)];
      return left === undefined || right === undefined ? undefined : left + right;
    }
    const value = this.of(node);
    if (value.kind !== "expression") return undefined;
    return value.node === node ? literalText(node) : this.text(value.node);
  }

  #template(node: Extract<Node, { type: "TemplateLiteral" }>): string | undefined {
    const parts = node.quasis.map(({ value }, index) => {
      const expression = node.expressions[index];
      const text = expression === undefined ? "" : this.text(expression);
      return text === undefined ? undefined : `${value.cooked ?? ""}${text}`;
    });
    return parts.includes(undefined) ? undefined : parts.join("");
  }

  #of(node: Node): Value {
    switch (node.type) {
      case "Identifier":
        return this.#name(node);
      case "MetaProperty":
        return external("", [node.meta.name, node.property.name]);
      case "ThisExpression":
        return this.#this(node);
      case "Super":
        return this.#base(this.#this(node));
      case "MemberExpression": {
        const name = memberName(node);
        return name === undefined ? unknown : this.member(this.of(node.object), name);
      }
      case "CallExpression":
      case "NewExpression":
        return this.#called(node);
      case "AwaitExpression":
        return node.argument.type === "ImportExpression" ? this.of(node.argument) : unknown;
      case "ImportExpression":
        return this.#module(node, literalText(node.source));
      case "SequenceExpression":
        return this.of(node.expressions.at(-1) ?? node);
      case "LogicalExpression":
        return this.#either(node.left, node.right);
      case "ConditionalExpression":
        return this.#either(node.consequent, node.alternate);
      case "ObjectExpression":
        return { kind: "object", node };
      default:
    }
    if (isFunction(node)) return { kind: "function", node };
    if (isClass(node)) return { kind: "class", node };
    return { kind: "expression", node };
  }

  #either(one: Node, other: Node): Value {
    const value = this.of(one);
    return value.kind === "unknown" || value.kind === "expression" ? this.of(other) : value;
  }

  #name(node: Extract<Node, { type: "Identifier" }>): Value {
    const { references } = this.#sources.fileOf(node);
    if (!references.has(node)) return unknown; // not a reference
    const binding = references.get(node);
    if (binding !== undefined) return this.binding(binding);
    return external("", globalObjects.has(node.name) ? [] : [node.name]);
  }

  #imported(node: Node): Value {
    if (node.type === "TSImportEqualsDeclaration") {
      const { moduleReference: module } = node;
      return module.type === "TSExternalModuleReference"
        ? this.#module(node, module.expression.value)
        : unknown;
    }
    const statement = node.parent;
    if (statement?.type !== "ImportDeclaration") return unknown;
    const module = this.#module(node, statement.source.value);
    if (node.type === "ImportNamespaceSpecifier") return module;
    return this.member(module, node.type === "ImportSpecifier" ? nameOf(node.imported) : "default");
  }

  #module(from: Node, specifier: string | undefined): Value {
    if (specifier === undefined) return unknown;
    const file = this.#sources.imported(this.#sources.fileOf(from), specifier);
    if (file !== undefined) return { kind: "module", file };
    if (specifier.startsWith(".")) return unknown;
    const name = specifier.replace(/^node:/, "");
    const global = sameAsGlobal[name];
    return global === undefined ? external(name, []) : external("", [global]);
  }

  #exported(file: SourceFile, name: string): Value {
    return this.#once(`${file.path}#${name}`, () => {
      for (const one of exportsOf(file, name)) {
        const value = this.#exportValue(one);
        if (value.kind !== "unknown") return value;
      }
      return unknown;
    });
  }

  #exportValue(one: Export): Value {
    switch (one.kind) {
      case "expression":
        return this.of(one.node);
      case "binding":
        return this.binding(one.binding);
      case "module": {
        const module = this.#module(one.from, one.specifier);
        return one.name === undefined ? module : this.member(module, one.name);
      }
    }
  }

  #called(node: CallExpression | NewExpression): Value {
    const definition = node.type === "CallExpression" ? this.definition(node) : undefined;
    if (definition !== undefined) return { kind: "handle", definition };
    const callee = this.of(node.callee);
    if (callee.kind === "external") {
      const [first] = node.arguments;
      const name = externalName(callee);
      if (name === "require") return this.#module(node, first && literalText(first));
      if (passThrough.has(name)) return first === undefined ? unknown : this.of(first);
      const isBound = callee.path.at(-1) === "bind"; // the same function, for another `this`
      return isBound
        ? external(callee.from, callee.path.slice(0, -1))
        : external(callee.from, [...callee.path, callStep(node)]);
    }
    if (node.type === "NewExpression")
      return callee.kind === "class" ? { kind: "instance", node: callee.node } : unknown;
    return callee.kind === "function" ? this.#returned(node, callee.node) : unknown;
  }

  /** What a function returns that does nothing else: `x.bind(y)`, a factory. */
  #returned({ callee }: CallExpression, node: FunctionNode): Value {
    const method = unwrap(callee);
    if (method.type === "MemberExpression" && memberName(method) === "bind")
      return { kind: "function", node };
    if (node.async || node.generator || node.body === null) return unknown;
    if (node.body.type !== "BlockStatement") return this.of(node.body);
    const last = node.body.body.at(-1);
    return last?.type === "ReturnStatement" && last.argument !== null
      ? this.of(last.argument)
      : unknown;
  }

  #property(node: ObjectExpression, name: string): Value {
    return this.#once(node, () => {
      for (const one of node.properties.toReversed()) {
        if (one.type !== "SpreadElement") {
          if (keyName(one.key, one.computed) === name) return this.of(one.value);
          continue;
        }
        const value = this.member(this.of(one.argument), name);
        if (value.kind !== "unknown") return value;
      }
      return unknown;
    });
  }

  #classMember(node: Class, name: string, isStatic: boolean): Value {
    return this.#once(node, () => {
      for (const one of node.body.body) {
        if (!("key" in one) || one.static !== isStatic) continue;
        if (keyName(one.key, one.computed) === name)
          return one.value === null ? unknown : this.of(one.value);
      }
      const base = this.#base({ kind: "class", node });
      return base.kind === "class" ? this.#classMember(base.node, name, isStatic) : unknown;
    });
  }

  #handleMember({ definition, member }: Handle, name: string): Value {
    if (member !== undefined) return unknown;
    const body = name === "fn" ? this.bodyOf(definition) : undefined;
    if (body !== undefined) return { kind: "function", node: body };
    return { kind: "handle", definition, member: name };
  }

  #this(node: Node): Value {
    const { holder, isStatic = false } = ownerOfThis(node) ?? {};
    if (holder === undefined) return unknown;
    if (holder.type === "ObjectExpression") return { kind: "object", node: holder };
    return isClass(holder) ? { kind: isStatic ? "class" : "instance", node: holder } : unknown;
  }

  #base(value: Value): Value {
    if (value.kind !== "class" && value.kind !== "instance") return unknown;
    const { superClass } = value.node;
    const base = superClass === null ? unknown : this.of(superClass);
    return base.kind === "class" ? { kind: value.kind, node: base.node } : unknown;
  }

  /** End the search for what is made of itself. */
  #once(key: Node | string, find: () => Value): Value {
    if (this.#open.has(key)) return unknown;
    this.#open.add(key);
    try {
      return find();
    } finally {
      this.#open.delete(key);
    }
  }
}

function callStep({ type, arguments: { length } }: CallExpression | NewExpression): string {
  return `${type === "NewExpression" ? "new" : ""}${length === 0 ? "()" : "(…)"}`;
}
