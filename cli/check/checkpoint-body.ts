import type { CallExpression, NewExpression, Node } from "oxc-parser";
import { shown } from "./body.ts";
import { checkDefinition } from "./call-rule.ts";
import { isDurable } from "./promises.ts";
import { memberName, unwrap } from "./syntax.ts";
import { type Definition, type Value, externalName } from "./value.ts";
import { Walk } from "./walk.ts";

/** Methods that call the function they are given. */
const calling = new Set("map flatMap forEach then catch finally filter reduce".split(" "));

/** Finds in the functions of checkpoints what only a flow body may call. */
export class CheckpointBody extends Walk {
  protected override onDefinition(call: CallExpression, definition: Definition): void {
    checkDefinition(this, call, definition);
  }

  protected override onCall(call: CallExpression | NewExpression, callee: Value): void {
    if (isNested(callee)) this.#reportNested(call, callee);
    const method = unwrap(call.callee);
    if (method.type !== "MemberExpression" || !calling.has(memberName(method) ?? "")) return;
    for (const one of call.arguments) {
      const value = this.values.of(one);
      if (isNested(value)) this.#reportNested(one, value);
    }
  }

  protected override onMention(): boolean {
    return false;
  }

  protected override onNode(): void {
    return;
  }

  #reportNested(node: Node, value: Value): void {
    const what = value.kind === "handle" ? kinds[value.definition.kind] : "a sleep";
    this.report(
      "nested-call",
      node,
      `${shown(this, node)} in ${this.where} throws: ${what} cannot be used in a checkpoint. ${remedyOf(value)}`,
    );
  }
}

const kinds = { flow: "a child flow", checkpoint: "another checkpoint", wait: "a wait" } as const;

/** llm() is part of the checkpoint it is called in. */
function isNested(value: Value): boolean {
  const isLlm = value.kind === "external" && externalName(value) === "kitaru#llm";
  return isDurable(value) && !isLlm;
}

function remedyOf(value: Value): string {
  const isCheckpoint = value.kind === "handle" && value.definition.kind === "checkpoint";
  return isCheckpoint
    ? "Call it in the flow body, or call its plain function: .fn(…)."
    : "Call it in the flow body.";
}
