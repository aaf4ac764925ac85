import {
  type ArrowFunctionExpression,
  type Class,
  type Function as FunctionDefinition,
  type MemberExpression,
  type Node,
  type PropertyKey as KeyNode,
  visitorKeys,
} from "oxc-parser";

/** A function with a body, in any of its forms. */
export type FunctionNode = ArrowFunctionExpression | FunctionDefinition;

/** Whether a node is a function that has a body. */
export function isFunction(node: Node): node is FunctionNode {
  return (
    node.type === "ArrowFunctionExpression" ||
    node.type === "FunctionExpression" ||
    node.type === "FunctionDeclaration"
  );
}

/** Whether a node is a class. */
export function isClass(node: Node): node is Class {
  return node.type === "ClassDeclaration" || node.type === "ClassExpression";
}

/** What of TypeScript exists when the program runs; every other such node is a type. */
const evaluated = new Set([
  "TSAsExpression",
  "TSEnumBody",
  "TSEnumDeclaration",
  "TSEnumMember",
  "TSExportAssignment",
  "TSImportEqualsDeclaration",
  "TSInstantiationExpression",
  "TSModuleBlock",
  "TSModuleDeclaration",
  "TSNonNullExpression",
  "TSParameterProperty",
  "TSSatisfiesExpression",
  "TSTypeAssertion",
]);

/** Children that are evaluated, in source order: no types, no names of properties, labels or exports. */
export function childrenOf(node: Node): Node[] {
  return keysOf(node).flatMap((key) => {
    const child = (node as unknown as Readonly<Record<string, unknown>>)[key];
    return (Array.isArray(child) ? child : [child]).filter(isEvaluated);
  });
}

function isEvaluated(child: unknown): child is Node {
  if (typeof child !== "object" || child === null || !("type" in child)) return false;
  if ("declare" in child && child.declare === true) return false;
  return !String(child.type).startsWith("TS") || evaluated.has(String(child.type));
}

function keysOf(node: Node): readonly string[] {
  switch (node.type) {
    case "ImportDeclaration":
    case "TSImportEqualsDeclaration":
    case "ExportAllDeclaration":
    case "MetaProperty":
    case "BreakStatement":
    case "ContinueStatement":
      return [];
    case "ExportSpecifier":
      return ["local"];
    case "ExportNamedDeclaration":
      if (node.exportKind === "type") return [];
      return node.source === null ? ["declaration", "specifiers"] : [];
    case "LabeledStatement":
      return ["body"];
    case "MemberExpression":
      return node.computed ? ["object", "property"] : ["object"];
    case "Property":
      return node.computed ? ["key", "value"] : ["value"];
    case "MethodDefinition":
    case "PropertyDefinition":
    case "AccessorProperty":
      return node.computed ? ["decorators", "key", "value"] : ["decorators", "value"];
    case "TSEnumMember":
      return ["initializer"];
    case "ArrowFunctionExpression":
    case "FunctionDeclaration":
    case "FunctionExpression":
      return ["params", "body"];
    case "ClassDeclaration":
    case "ClassExpression":
      return ["decorators", "superClass", "body"];
    default:
      return visitorKeys[node.type] ?? [];
  }
}

/** The expression without what only types or groups it: `(x as T)!` is `x`. */
export function unwrap(node: Node): Node {
  const inner = wrapped(node);
  return inner === undefined ? node : unwrap(inner);
}

/** The outermost node that only types or groups an expression, and has its value. */
export function wrapping(node: Node): Node {
  const { parent } = node;
  return parent && wrapped(parent) === node ? wrapping(parent) : node;
}

function wrapped(node: Node): Node | undefined {
  switch (node.type) {
    case "TSAsExpression":
    case "TSSatisfiesExpression":
    case "TSNonNullExpression":
    case "TSTypeAssertion":
    case "TSInstantiationExpression":
    case "ParenthesizedExpression":
    case "ChainExpression":
      return node.expression;
    default:
      return undefined;
  }
}

/** Name of the property that is read, unless it is computed. */
export function memberName(node: MemberExpression): string | undefined {
  return keyName(node.property, node.computed);
}

/** Name that a key stands for: `a`, `"a"`, `["a"]`, `#a`; undefined when it is computed. */
export function keyName(key: KeyNode, isComputed: boolean): string | undefined {
  if (key.type === "PrivateIdentifier") return `#${key.name}`;
  if (key.type === "Identifier" && !isComputed) return key.name;
  if (key.type === "Literal") return key.value === null ? undefined : String(key.value);
  return literalText(key);
}

/** Text of a string literal, or of a template without expressions. */
export function literalText(node: Node): string | undefined {
  if (node.type === "Literal") return typeof node.value === "string" ? node.value : undefined;
  if (node.type !== "TemplateLiteral" || node.expressions.length > 0) return undefined;
  return node.quasis[0]?.value.cooked ?? undefined;
}

/** Whether `inner` is `outer` or lies in it. */
export function isWithin(inner: Node, outer: Node): boolean {
  for (let node: Node | null | undefined = inner; node; node = node.parent)
    if (node === outer) return true;
  return false;
}

/** The object literal or class whose `this` a node uses, if it can be told. */
export function ownerOfThis(
  node: Node,
): { readonly holder: Node; readonly isStatic: boolean } | undefined {
  for (let inner: Node = node, { parent } = node; parent; inner = parent, { parent } = parent) {
    if (isFunction(parent) && parent.type !== "ArrowFunctionExpression")
      return parent.parent ? holderOf(parent.parent) : undefined;
    if (parent.type === "PropertyDefinition" && parent.value === inner) return holderOf(parent);
    if (parent.type === "StaticBlock") return holderOf(parent);
  }
  return undefined;
}

function holderOf(member: Node): ReturnType<typeof ownerOfThis> {
  const { parent } = member;
  switch (member.type) {
    case "Property":
      return parent ? { holder: parent, isStatic: false } : undefined;
    case "StaticBlock":
      return parent?.parent ? { holder: parent.parent, isStatic: true } : undefined;
    case "MethodDefinition":
    case "PropertyDefinition":
      return parent?.parent ? { holder: parent.parent, isStatic: member.static } : undefined;
    default:
      return undefined;
  }
}

/** The function whose code holds a node, if any. */
export function functionAround({ parent }: Node): FunctionNode | undefined {
  for (let node = parent; node; node = node.parent) if (isFunction(node)) return node;
  return undefined;
}
