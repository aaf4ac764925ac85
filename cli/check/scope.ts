import type {
  BindingIdentifier,
  CallExpression,
  ImportExpression,
  Node,
  Program,
} from "oxc-parser";
import { childrenOf, isClass, isFunction, keyName } from "./syntax.ts";

/** A name that a program declares. */
export interface Binding {
  readonly name: string;
  readonly scope: Scope;
  readonly kind: "variable" | "parameter" | "function" | "class" | "import" | "other";
  /** What declares it: the declarator, function, class, import specifier, … */
  readonly node: Node;
  /** Properties that lead from what is declared to the name: `b` in `{ a: { b } }` is at a, b. Undefined: not known. */
  readonly path: readonly string[] | undefined;
  /** References that read it. */
  readonly reads: Node[];
  /** References that give it another value. */
  readonly writes: Node[];
}

/** Where names are declared: a module, function, block, class, … */
export class Scope {
  readonly node: Node;
  readonly parent: Scope | undefined;
  readonly bindings = new Map<string, Binding>();

  constructor(node: Node, parent: Scope | undefined) {
    this.node = node;
    this.parent = parent;
  }

  lookup(name: string): Binding | undefined {
    return this.bindings.get(name) ?? this.parent?.lookup(name);
  }

  /** Where `var` puts its names. */
  get home(): Scope {
    const isHome = this.node.type === "Program" || isFunction(this.node);
    return isHome || this.parent === undefined ? this : this.parent.home;
  }
}

/** The names of a module. */
export interface Names {
  readonly top: Scope;
  /** What each reference refers to; undefined is a global. Names that are no references are not in it. */
  readonly references: ReadonlyMap<Node, Binding | undefined>;
  /** What each name that is declared declares. */
  readonly declarations: ReadonlyMap<Node, Binding>;
  /** All calls, in source order. */
  readonly calls: readonly CallExpression[];
  /** All `import()`, in source order. */
  readonly imports: readonly ImportExpression[];
}

/** Give every node its parent, and find what every name refers to. */
export function findNames(program: Program): Names {
  return new Linker(program).link();
}

interface Declared {
  readonly kind: Binding["kind"];
  readonly node: Node;
  /** Where the names go. */
  readonly scope: Scope;
  /** Where what the pattern computes is evaluated. @default scope */
  readonly inside?: Scope;
}

type Use = "read" | "write" | "both";

class Linker {
  readonly #program: Program;
  readonly #top: Scope;
  readonly #declarations = new Map<Node, Binding>();
  readonly #calls: CallExpression[] = [];
  readonly #onDemand: ImportExpression[] = [];
  readonly #uses: { readonly node: Node; readonly name: string; scope: Scope; use: Use }[] = [];

  constructor(program: Program) {
    this.#program = program;
    this.#top = new Scope(program, undefined);
  }

  link(): Names {
    this.#children(this.#program, this.#top);
    // Only now: a name may be used above its declaration.
    const references = new Map<Node, Binding | undefined>();
    for (const { node, name, scope, use } of this.#uses) {
      const binding = scope.lookup(name);
      references.set(node, binding);
      if (use !== "write") binding?.reads.push(node);
      if (use !== "read") binding?.writes.push(node);
    }
    return {
      top: this.#top,
      references,
      declarations: this.#declarations,
      calls: this.#calls,
      imports: this.#onDemand,
    };
  }

  #children(node: Node, scope: Scope): void {
    for (const child of childrenOf(node)) this.#visit(child, node, scope);
  }

  #visit(node: Node, parent: Node, scope: Scope): void {
    node.parent = parent;
    switch (node.type) {
      case "Identifier":
        this.#uses.push({ node, name: node.name, scope, use: "read" });
        return;
      case "CallExpression":
        this.#calls.push(node);
        break;
      case "ImportExpression":
        this.#onDemand.push(node);
        break;
      case "ImportDeclaration":
        return this.#imports(node);
      case "TSImportEqualsDeclaration":
        return this.#declare(node.id, { kind: "import", node, scope });
      case "VariableDeclaration":
        return this.#variables(node, scope);
      case "AssignmentExpression":
        this.#target(node.left, node, scope, node.operator === "=" ? "write" : "both");
        return this.#visit(node.right, node, scope);
      case "UpdateExpression":
        return this.#target(node.argument, node, scope, "both");
      case "ForInStatement":
      case "ForOfStatement":
        return this.#loop(node, scope);
      case "CatchClause":
        return this.#catch(node, scope);
      case "TSEnumDeclaration":
      case "TSModuleDeclaration":
        if (node.id.type === "Identifier") this.#declare(node.id, { kind: "other", node, scope });
        if (node.body === null) return;
        node.body.parent = node;
        return this.#children(node.body, new Scope(node.body, scope));
      default:
    }
    if (isFunction(node)) return this.#function(node, scope);
    if (isClass(node)) return this.#class(node, scope);
    this.#children(node, opensBlock(node) ? new Scope(node, scope) : scope);
  }

  #imports(node: Extract<Node, { type: "ImportDeclaration" }>): void {
    if (node.importKind === "type") return;
    for (const one of node.specifiers) {
      one.parent = node;
      const isType = one.type === "ImportSpecifier" && one.importKind === "type";
      if (!isType) this.#declare(one.local, { kind: "import", node: one, scope: this.#top });
    }
  }

  #variables(node: Extract<Node, { type: "VariableDeclaration" }>, scope: Scope): void {
    for (const one of node.declarations) {
      one.parent = node;
      const home = node.kind === "var" ? scope.home : scope;
      this.#pattern(one.id, one, { kind: "variable", node: one, scope: home, inside: scope }, []);
      if (one.init !== null) this.#visit(one.init, one, scope);
    }
  }

  #loop(node: Extract<Node, { type: "ForInStatement" | "ForOfStatement" }>, outer: Scope): void {
    const scope = new Scope(node, outer);
    if (node.left.type === "VariableDeclaration") this.#visit(node.left, node, scope);
    else this.#target(node.left, node, scope, "write");
    this.#visit(node.right, node, scope);
    this.#visit(node.body, node, scope);
  }

  #catch(node: Extract<Node, { type: "CatchClause" }>, outer: Scope): void {
    const scope = new Scope(node, outer);
    if (node.param) this.#pattern(node.param, node, { kind: "parameter", node, scope }, undefined);
    this.#visit(node.body, node, scope);
  }

  #function(node: Extract<Node, { id: unknown; params: unknown }>, outer: Scope): void {
    if (!isFunction(node)) return;
    const scope = new Scope(node, outer);
    if (node.id !== null) {
      const home = node.type === "FunctionDeclaration" ? outer : scope;
      this.#declare(node.id, { kind: "function", node, scope: home });
    }
    for (const one of node.params) {
      const parameter = one.type === "TSParameterProperty" ? one.parameter : one;
      this.#pattern(parameter, node, { kind: "parameter", node, scope }, undefined);
    }
    if (node.body === null) return;
    node.body.parent = node;
    if (node.body.type === "BlockStatement") this.#children(node.body, scope);
    else this.#visit(node.body, node, scope);
  }

  #class(node: Node, outer: Scope): void {
    if (!isClass(node)) return;
    const scope = new Scope(node, outer);
    if (node.id !== null) {
      const home = node.type === "ClassDeclaration" ? outer : scope;
      this.#declare(node.id, { kind: "class", node, scope: home });
    }
    this.#children(node, scope);
  }

  /** Declare the names of a pattern; what it computes is visited. */
  #pattern(node: Node, parent: Node, to: Declared, path: Binding["path"]): void {
    node.parent = parent;
    switch (node.type) {
      case "Identifier":
        return this.#declare(node, to, path);
      case "AssignmentPattern":
        this.#pattern(node.left, node, to, undefined);
        return this.#visit(node.right, node, to.inside ?? to.scope);
      case "RestElement":
        return this.#pattern(node.argument, node, to, undefined);
      case "ArrayPattern":
        for (const one of node.elements) if (one !== null) this.#pattern(one, node, to, undefined);
        return;
      case "ObjectPattern":
        for (const one of node.properties) this.#property(one, node, to, path);
        return;
      default:
    }
  }

  #property(node: Node, parent: Node, to: Declared, path: Binding["path"]): void {
    node.parent = parent;
    if (node.type !== "Property") return this.#pattern(node, parent, to, undefined);
    if (node.computed) this.#visit(node.key, node, to.inside ?? to.scope);
    const key = keyName(node.key, node.computed);
    const isKnown = key !== undefined && path !== undefined;
    this.#pattern(node.value, node, to, isKnown ? [...path, key] : undefined);
  }

  /** Visit what is assigned to. */
  #target(node: Node, parent: Node, scope: Scope, use: Use): void {
    node.parent = parent;
    switch (node.type) {
      case "Identifier":
        this.#uses.push({ node, name: node.name, scope, use });
        return;
      case "AssignmentPattern":
        this.#target(node.left, node, scope, use);
        return this.#visit(node.right, node, scope);
      case "Property":
        if (node.computed) this.#visit(node.key, node, scope);
        return this.#target(node.value, node, scope, use);
      case "RestElement":
      case "ArrayPattern":
      case "ObjectPattern":
        for (const child of childrenOf(node)) this.#target(child, node, scope, use);
        return;
      default:
        this.#visit(node, parent, scope);
    }
  }

  #declare(id: BindingIdentifier, to: Declared, path: Binding["path"] = []): void {
    const { name } = id;
    const { kind, node, scope } = to;
    const before = scope.bindings.get(name);
    const binding = before ?? { name, scope, kind, node, path, reads: [], writes: [] };
    this.#declarations.set(id, binding);
    if (before === undefined) scope.bindings.set(name, binding);
    else before.writes.push(node); // what it is cannot be told then
  }
}

function opensBlock(node: Node): boolean {
  return (
    node.type === "BlockStatement" ||
    node.type === "ForStatement" ||
    node.type === "SwitchStatement" ||
    node.type === "StaticBlock"
  );
}
