import type { CallExpression, NewExpression, Node } from "oxc-parser";
import { type Body, shown } from "./body.ts";
import type { Definition, Value } from "./value.ts";

/** Methods of flows and waits that act on executions from outside, and what to do in a flow body instead. */
const clientMethods: Readonly<Record<string, string>> = {
  run: "Use .call(input) for a child execution, or do it in a checkpoint.",
  invoke: "Use .call(input) for a child execution, or do it in a checkpoint.",
  replay: "Do it in a checkpoint, or outside the flow.",
  deploy: "Do it outside the flow.",
  answer: "Do it in a checkpoint, or outside the flow.",
  abort: "Do it in a checkpoint, or outside the flow.",
};
/** Functions of the AI SDK that ask the language model they are given. */
const asking = new Set(["generateText", "streamText", "generateObject", "streamObject"]);
const modelPackages = /^(?:@ai-sdk\/|@openrouter\/ai-sdk-provider$)/;

/** Report a method that acts on executions. Returns whether it is one. */
export function checkClientMethod(body: Body, node: Node, value: Value): boolean {
  const remedy = value.kind === "handle" ? clientMethods[value.member ?? ""] : undefined;
  if (remedy === undefined) return false;
  body.report(
    "client-call",
    node,
    `${shown(body, node)} in ${body.where} acts on executions again on every re-run. ${remedy}`,
  );
  return true;
}

/** Report a question to a model that is not recorded, put by the AI SDK. */
export function checkModel(
  body: Body,
  { callee, arguments: [options] }: CallExpression | NewExpression,
  value: Value,
): void {
  const isAsking =
    value.kind === "external" && value.from === "ai" && asking.has(value.path.join("."));
  const given = isAsking && options !== undefined ? body.values.of(options) : undefined;
  if (given?.kind !== "object") return;
  const model = body.values.member(given, "model");
  const isBare =
    (model.kind === "external" && modelPackages.test(model.from)) ||
    (model.kind === "expression" && body.values.text(model.node) !== undefined);
  if (isBare)
    body.report(
      "network",
      callee,
      `${shown(body, callee)} in ${body.where} asks a model that is not recorded: it is asked again on every re-run, and paid again. Wrap the model in durableModel() from "kitaru", use llm(), or call it in a checkpoint.`,
    );
}

/** Report a definition that is made while a flow or checkpoint runs. */
export function checkDefinition(body: Body, call: CallExpression, { kind }: Definition): void {
  body.report(
    "local-definition",
    call.callee,
    `${kind}() is called in ${body.where}: each run defines it again, and the second time its name is taken. Define it once, at the top of a module.`,
  );
}
