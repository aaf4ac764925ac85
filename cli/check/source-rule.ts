import type { CallExpression, Node } from "oxc-parser";
import { type Body, bindingOf, shown } from "./body.ts";
import { hazardOf } from "./hazards.ts";
import { unwrap } from "./syntax.ts";

/** Report `for await` over what is not recorded. */
export function checkSource(body: Body, node: Node): void {
  if (node.type !== "ForOfStatement" || !node.await) return;
  const origin = originOf(body, node.right);
  if (origin === "plain") return;
  const what = `for await over ${shown(body, node.right)} in ${body.where}`;
  const remedy = "Read it in a checkpoint, and loop over what that returns.";
  if (origin === "hazard")
    body.report(
      "for-await",
      node.right,
      `${what} reads what is not recorded: again on every re-run, perhaps with other items. ${remedy}`,
    );
  else
    body.report(
      "for-await",
      node.right,
      `${what} may read what is not recorded: a package makes it. ${remedy}`,
      "warning",
    );
}

/** Where the items of a loop come from: what the flow has, what it must not use, or a package. */
function originOf(body: Body, expression: Node): "plain" | "hazard" | "package" {
  const node = unwrap(expression);
  const value = body.values.of(node);
  if (value.kind === "external") {
    if (hazardOf(value) !== undefined) return "hazard";
    const isKnown = value.from === "" || value.from === "kitaru" || asksRecorded(body, node);
    return isKnown ? "plain" : "package";
  }
  switch (node.type) {
    case "Identifier": {
      const init = initOf(body, node);
      return init === undefined ? "plain" : originOf(body, init);
    }
    case "MemberExpression":
      return originOf(body, node.object);
    case "AwaitExpression": // what a package gives once it is awaited may be an array
      return originOf(body, node.argument) === "hazard" ? "hazard" : "plain";
    case "CallExpression": {
      const callee = unwrap(node.callee);
      return callee.type === "MemberExpression" ? originOf(body, callee.object) : "plain";
    }
    default:
      return "plain";
  }
}

/** Whether a stream is the answer of a model that durableModel() records. */
function asksRecorded(body: Body, expression: Node): boolean {
  const [options] = callOf(body, expression)?.arguments ?? [];
  const given = options === undefined ? undefined : body.values.of(options);
  if (given?.kind !== "object") return false;
  const hasModel = given.node.properties.some(
    (one) => one.type === "Property" && one.key.type === "Identifier" && one.key.name === "model",
  );
  const model = body.values.member(given, "model");
  return hasModel && (model.kind !== "external" || model.from === "kitaru");
}

/** The call that an expression is the result of, or a part of the result. */
function callOf(body: Body, expression: Node): CallExpression | undefined {
  const node = unwrap(expression);
  switch (node.type) {
    case "CallExpression":
      return node;
    case "MemberExpression":
      return callOf(body, node.object);
    case "AwaitExpression":
      return callOf(body, node.argument);
    case "Identifier": {
      const init = initOf(body, node);
      return init === undefined ? undefined : callOf(body, init);
    }
    default:
      return undefined;
  }
}

function initOf(body: Body, name: Node): Node | undefined {
  const declarator = bindingOf(body, name)?.node;
  return declarator?.type === "VariableDeclarator" ? (declarator.init ?? undefined) : undefined;
}
