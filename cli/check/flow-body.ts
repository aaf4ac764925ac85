import type { CallExpression, NewExpression, Node } from "oxc-parser";
import { checkClientMethod, checkDefinition, checkModel } from "./call-rule.ts";
import { checkMention, checkResult } from "./hazard-rule.ts";
import { checkPromise } from "./promise-rule.ts";
import { Promises } from "./promises.ts";
import { checkSource } from "./source-rule.ts";
import { checkChange, checkWrite } from "./state-rule.ts";
import type { Definition, Value } from "./value.ts";
import { Walk } from "./walk.ts";

/** Finds in flow bodies what is not the same on every re-run, or gets lost. */
export class FlowBody extends Walk {
  readonly #promises = new Promises(this);

  protected override onDefinition(call: CallExpression, definition: Definition): void {
    checkDefinition(this, call, definition);
  }

  protected override onCall(call: CallExpression | NewExpression, callee: Value): void {
    checkResult(this, call, callee);
    checkPromise(this, this.#promises, call);
    checkModel(this, call, callee);
    checkChange(this, call, callee);
  }

  protected override onMention(node: Node, value: Value): boolean {
    return checkClientMethod(this, node, value) || checkMention(this, node, value);
  }

  protected override onNode(node: Node): void {
    checkWrite(this, node);
    checkSource(this, node);
  }
}
