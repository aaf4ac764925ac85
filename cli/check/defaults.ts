import type { Argument, Node, ObjectExpression } from "oxc-parser";
import { type FunctionNode, keyName } from "./syntax.ts";
import type { Value } from "./value.ts";

/** What an expression stands for. */
type ValueOf = (expression: Node) => Value;

/**
 * The defaults of parameters that run when a function is called: those of arguments that are left out, and those of
 * properties unless it is certain that they are given.
 * @param given arguments of the call; undefined when they are not known
 */
export function defaultsThatRun(
  { params }: FunctionNode,
  given: readonly Argument[] | undefined,
  valueOf: ValueOf,
): Node[] {
  const isKnown = given !== undefined && !given.some(({ type }) => type === "SpreadElement");
  return params.flatMap((one, index) => {
    const argument = isKnown ? given[index] : undefined;
    const object = argument === undefined ? undefined : objectOf(valueOf(argument));
    if (one.type === "TSParameterProperty") return inPattern(one.parameter, object);
    if (one.type !== "AssignmentPattern") return inPattern(one, object);
    const isLeftOut = isKnown && index >= given.length;
    return [...(isLeftOut ? [one.right] : []), ...inPattern(one.left, object)];
  });
}

function inPattern(pattern: Node, given: ObjectExpression | undefined): Node[] {
  switch (pattern.type) {
    case "ObjectPattern":
      return pattern.properties.flatMap((one) => {
        if (one.type !== "Property") return [];
        const key = keyName(one.key, one.computed);
        return inItem(one.value, key !== undefined && given !== undefined && has(given, key));
      });
    case "ArrayPattern":
      return pattern.elements.flatMap((one) => (one === null ? [] : inItem(one, false)));
    default:
      return [];
  }
}

function inItem(item: Node, isGiven: boolean): Node[] {
  if (item.type !== "AssignmentPattern") return inPattern(item, undefined);
  return [...(isGiven ? [] : [item.right]), ...inPattern(item.left, undefined)];
}

function objectOf(value: Value): ObjectExpression | undefined {
  return value.kind === "object" ? value.node : undefined;
}

function has({ properties }: ObjectExpression, name: string): boolean {
  return properties.some(
    (one) => one.type === "Property" && keyName(one.key, one.computed) === name,
  );
}
