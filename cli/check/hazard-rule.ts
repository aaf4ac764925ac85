import type { CallExpression, NewExpression, Node } from "oxc-parser";
import { type Body, bindingOf, shown } from "./body.ts";
import { hazardOf } from "./hazards.ts";
import { unwrap } from "./syntax.ts";
import type { External, Value } from "./value.ts";

/** Report what is mentioned, if a flow body must not use it. Returns whether it must not. */
export function checkMention(body: Body, node: Node, value: Value): boolean {
  if (value.kind !== "external") return false;
  const found = hazardOf(value);
  if (found === undefined) return false;
  if (node.type === "Property" && isModule(value)) return true; // `{ default: fs }` is another name for it
  const { hazard, depth } = found;
  const { rule, problem, remedy, gives, use = "call" } = hazard;
  const what =
    node.parent?.type === "NewExpression" && node.parent.callee === node ? node.parent : node;

  const held = heldBy(body, node, value);
  if (held === "told") return true;
  const isResult =
    held !== undefined &&
    {
      call: held.path.some(isCall),
      property: held.path.length > depth,
      read: true,
    }[use];
  if (!isResult || gives === "client")
    body.report(rule, what, `${shown(body, what)} in ${body.where} ${problem}. ${remedy}`);
  else if (gives === "value")
    body.report(
      rule,
      what,
      `${shown(body, what)} in ${body.where} holds what ${spoken(held)} gave when its module was loaded: another value in every process. ${remedy}`,
    );
  return true;
}

/** Report a call whose callee is harmless and its result is not: `new Date()`. */
export function checkResult(body: Body, call: CallExpression | NewExpression, callee: Value): void {
  const value = body.values.of(call);
  if (callee.kind !== "external" || value.kind !== "external") return;
  const isMade = value.path.length === callee.path.length + 1 && value.from === callee.from;
  const found = isMade && hazardOf(callee) === undefined ? hazardOf(value) : undefined;
  if (found === undefined) return;
  const { rule, problem, remedy } = found.hazard;
  body.report(rule, call, `${shown(body, call)} in ${body.where} ${problem}. ${remedy}`);
}

/**
 * The hazard that the name an expression starts from holds already; undefined when it is the expression that comes to
 * it; told when it is reported where the expression or the name has it from.
 */
function heldBy(body: Body, node: Node, value: External): External | "told" | undefined {
  const chain = chainOf(node);
  const root = chain.at(-1) ?? node;
  const binding = bindingOf(body, root);
  if (binding !== undefined || root.type === "ThisExpression" || root.type === "Super") {
    const values = chain.toReversed().map((one) => body.values.of(one));
    const held = values.find((one) => one.kind === "external") ?? value;
    if (!isHazard(held)) return undefined;
    return binding !== undefined && body.isOwn(binding) && !isModule(held) ? "told" : held;
  }
  if (root === node || isName(root)) return undefined;
  // A call, so visited by itself: what it gives is told there, if it is a hazard, or in what it calls.
  const given = body.values.of(root);
  const isHarmless = given.kind === "external" && (!isHazard(given) || isModule(given));
  return isHarmless ? undefined : "told";
}

function isHazard(value: Value): boolean {
  return value.kind === "external" && hazardOf(value) !== undefined;
}

/** A module is told by what is used of it. */
function isModule(value: Value): boolean {
  return value.kind === "external" && value.path.length === 0;
}

function isName(node: Node): boolean {
  return node.type === "Identifier" || node.type === "MetaProperty";
}

/** An expression, what it is a property of, and so on to where it starts. */
function chainOf(expression: Node): Node[] {
  const node = unwrap(expression);
  if (node.type === "MemberExpression") return [node, ...chainOf(node.object)];
  const declarator = node.type === "Property" ? node.parent?.parent : undefined;
  return declarator?.type === "VariableDeclarator" && declarator.init !== null
    ? [node, ...chainOf(declarator.init)]
    : [node];
}

function isCall(step: string): boolean {
  return step.endsWith(")");
}

function spoken({ from, path }: External): string {
  const end = path.findIndex(isCall);
  const name = path.slice(0, end === -1 ? path.length : end).join(".") || from;
  if (end === -1) return name;
  return path[end]?.startsWith("new") === true ? `new ${name}()` : `${name}()`;
}
