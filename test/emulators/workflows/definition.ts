import { parse } from "yaml";
import { isExpression, parseExpression } from "./expression.ts";
import { type Value, isMap, textOf } from "./value.ts";

/** A deployed workflow: `main` and its subworkflows. */
export type Definition = ReadonlyMap<string, Routine>;

/** Parameters, with the default of those that have one, and steps. */
export interface Routine {
  readonly params: readonly (readonly [name: string, fallback?: Value])[];
  readonly steps: readonly NamedStep[];
}

/** A step under its name. */
export interface NamedStep {
  readonly name: string;
  readonly body: StepBody;
}

/** What a step says, as written. */
export type StepBody = { readonly [key: string]: Value };

/** Largest source, in bytes. */
const sourceBytes = 128 * 1024;
const mostAssignments = 50;
const mostConditions = 50;

/** Read a source as a deployment does; throws an error that says what the service would not take. */
export function parseDefinition(source: string): Definition {
  if (Buffer.byteLength(source) > sourceBytes)
    throw new SyntaxError(`source of ${Buffer.byteLength(source)} bytes, more than ${sourceBytes}`);
  const document = parse(source) as Value;
  if (!isMap(document) || document["main"] === undefined)
    throw new SyntaxError("a workflow has a map with `main`");
  return new Map(
    Object.entries(document).map(([name, routine]) => [name, parseRoutine(name, routine)]),
  );
}

/** The steps of a list, as {@link parseDefinition} has checked it. */
export function stepsOf(list: Value | undefined): readonly NamedStep[] {
  if (!Array.isArray(list) || list.length === 0) throw new SyntaxError("a list of steps is empty");
  return list.map((item: Value) => {
    const [entry, ...others] = isMap(item) ? Object.entries(item) : [];
    if (entry === undefined || others.length > 0 || !isMap(entry[1]))
      throw new SyntaxError(`a step is a map of one name: ${JSON.stringify(item)}`);
    return { name: entry[0], body: entry[1] };
  });
}

function parseRoutine(name: string, routine: Value): Routine {
  if (!isMap(routine)) throw new SyntaxError(`${name} is no map`);
  const { params = [], steps } = routine;
  checkSteps(steps, []);
  checkExpressions(routine);
  return {
    params: (params as readonly Value[]).map((param) =>
      isMap(param) ? (Object.entries(param)[0] ?? [""]) : [textOf(param)],
    ),
    steps: stepsOf(steps),
  };
}

const stepKeys =
  "assign call args result next switch for parallel raise try retry except return steps".split(" ");

function checkSteps(list: Value | undefined, outer: readonly string[]): void {
  const steps = stepsOf(list);
  const names = steps.map(({ name }) => name);
  if (new Set(names).size < names.length)
    throw new SyntaxError(`two steps of one name: ${names.join(", ")}`);
  for (const { name, body } of steps) {
    if (!/^\w+$/.test(name)) throw new SyntaxError(`a step cannot be named ${name}`);
    checkBody(name, body, [...names, ...outer]);
  }
}

function checkBody(name: string, body: StepBody, targets: readonly string[]): void {
  const unknown = Object.keys(body).find((key) => !stepKeys.includes(key) && key !== "condition");
  if (unknown !== undefined) throw new SyntaxError(`${name}: unknown key ${unknown}`);
  const { next, assign, switch: conditions, steps } = body;
  const isTarget = [...targets, "end", "break", "continue"].includes(textOf(next));
  if (next !== undefined && !isTarget)
    throw new SyntaxError(`${name}: there is no step ${JSON.stringify(next)}`);
  if (assign !== undefined && (assign as readonly Value[]).length > mostAssignments)
    throw new SyntaxError(`${name}: more than ${mostAssignments} assignments`);
  if (steps !== undefined) checkSteps(steps, targets);
  if (conditions !== undefined) checkConditions(name, conditions, targets);
  for (const key of ["try", "except"] as const) checkBlock(name, body[key], targets);
  // nothing jumps out of a loop
  checkLoop(body["for"]);
  const { parallel } = body;
  if (isMap(parallel)) checkLoop(parallel["for"]);
}

function checkConditions(name: string, conditions: Value, targets: readonly string[]): void {
  if (!Array.isArray(conditions)) throw new SyntaxError(`${name}: switch is a list`);
  if (conditions.length > mostConditions)
    throw new SyntaxError(`${name}: more than ${mostConditions} conditions`);
  for (const condition of conditions as readonly StepBody[]) checkBody(name, condition, targets);
}

function checkBlock(name: string, block: Value | undefined, targets: readonly string[]): void {
  if (!isMap(block)) return;
  if (block["steps"] !== undefined) checkSteps(block["steps"], targets);
  else checkBody(name, block, targets);
}

function checkLoop(loop: Value | undefined): void {
  if (isMap(loop)) checkSteps(loop["steps"], []);
}

function checkExpressions(value: Value): void {
  if (typeof value === "string" && isExpression(value)) parseExpression(value);
  else if (Array.isArray(value))
    for (const item of value as readonly Value[]) checkExpressions(item);
  else if (isMap(value)) for (const item of Object.values(value)) checkExpressions(item);
}
