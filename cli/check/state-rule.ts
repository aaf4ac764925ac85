import type { CallExpression, NewExpression, Node } from "oxc-parser";
import { type Body, bindingOf } from "./body.ts";
import { hazardOf } from "./hazards.ts";
import { memberName, unwrap } from "./syntax.ts";
import { type Value, externalName } from "./value.ts";

const changing: Readonly<Record<string, ReadonlySet<string>>> = {
  Array: new Set("push pop shift unshift splice sort reverse fill copyWithin".split(" ")),
  Map: new Set(["set", "delete", "clear"]),
  WeakMap: new Set(["set", "delete"]),
  Set: new Set(["add", "delete", "clear"]),
  WeakSet: new Set(["add", "delete"]),
};
const globalObjects = new Set(["globalThis", "global", "self", "window"]);

/** Report an assignment, `++` or `delete` that changes what outlives a run of the flow. */
export function checkWrite(body: Body, node: Node): void {
  switch (node.type) {
    case "AssignmentExpression":
      return targetsOf(node.left).forEach((target) => checkTarget(body, target));
    case "ForInStatement":
    case "ForOfStatement":
      if (node.left.type !== "VariableDeclaration")
        targetsOf(node.left).forEach((target) => checkTarget(body, target));
      return;
    case "UpdateExpression":
      return checkTarget(body, node.argument);
    case "UnaryExpression":
      if (node.operator === "delete") checkTarget(body, node.argument);
      return;
    default:
  }
}

/** Report a call that changes a collection or an object that outlives a run of the flow: `list.push(x)`. */
export function checkChange(
  body: Body,
  { callee, arguments: [first] }: CallExpression | NewExpression,
  value: Value,
): void {
  const isAssign = value.kind === "external" && externalName(value) === "Object.assign";
  if (isAssign && first !== undefined) return checkTarget(body, first);
  const method = unwrap(callee);
  const name = method.type === "MemberExpression" ? memberName(method) : undefined;
  if (method.type !== "MemberExpression" || name === undefined) return;
  const collection = collectionOf(body.values.of(method.object));
  if (collection !== undefined && changing[collection]?.has(name) === true)
    checkTarget(body, method.object);
}

function checkTarget(body: Body, target: Node): void {
  const value = body.values.of(target);
  if (value.kind === "external" && hazardOf(value) !== undefined) return; // reported as what it is
  const root = rootOf(target);
  if (root.type !== "Identifier") return;
  const binding = bindingOf(body, root);
  const isShared =
    binding === undefined
      ? globalObjects.has(root.name)
      : binding.kind !== "parameter" && !body.isOwn(binding);
  if (isShared)
    body.report(
      "shared-state",
      target,
      `\`${root.name}\` lives outside ${body.where}, which changes it: a re-run changes it again, and another process does not have it. Keep it in the flow body, or in the result of a checkpoint.`,
    );
}

/** What a pattern assigns to. */
function targetsOf(target: Node): Node[] {
  switch (target.type) {
    case "ArrayPattern":
      return target.elements.flatMap((one) => (one === null ? [] : targetsOf(one)));
    case "ObjectPattern":
      return target.properties.flatMap(targetsOf);
    case "Property":
      return targetsOf(target.value);
    case "AssignmentPattern":
      return targetsOf(target.left);
    case "RestElement":
      return targetsOf(target.argument);
    default:
      return [target];
  }
}

function rootOf(expression: Node): Node {
  const node = unwrap(expression);
  return node.type === "MemberExpression" ? rootOf(node.object) : node;
}

/** What kind of collection a value is, if that is known. */
function collectionOf(value: Value): string | undefined {
  if (value.kind === "expression")
    return value.node.type === "ArrayExpression" ? "Array" : undefined;
  if (value.kind !== "external" || value.from !== "") return undefined;
  const [type, step, ...more] = value.path;
  return more.length === 0 && step?.startsWith("new") === true ? type : undefined;
}
