import type { CallExpression, NewExpression } from "oxc-parser";
import { type Body, shown } from "./body.ts";
import { isFunction } from "./syntax.ts";
import type { Loss, Promises } from "./promises.ts";

/** Report a durable call whose promise is lost. */
export function checkPromise(
  body: Body,
  promises: Promises,
  call: CallExpression | NewExpression,
): void {
  const deaf = promises.deafCall(call);
  const loss = promises.lossOf(call);
  const place = isFunction(call.callee) ? call : call.callee;
  if (deaf !== undefined) body.report("unawaited", place, deafMessage(deaf, body.where));
  else if (loss !== undefined)
    body.report(
      "unawaited",
      place,
      `The promise of ${shown(body, call)} in ${body.where} ${lossMessage(loss)}`,
    );
}

function deafMessage(method: string, where: string): string {
  return method === "forEach"
    ? `forEach() in ${where} drops the promises of its function, and with them durable calls. Use a for…of loop with await, or await Promise.all(items.map(…)).`
    : `${method}() in ${where} takes the promises of its function for answers: each of them is true. Await the durable calls first: await Promise.all(items.map(…)).`;
}

function lossMessage(loss: Loss): string {
  const keep = "Await it, return it, or pass it to Promise.all().";
  switch (loss.kind) {
    case "dropped":
      return `is dropped: the flow may end before the call does, and its failure is lost. ${keep}`;
    case "unused":
      return `is kept in \`${loss.name}\`, which is never used: the flow may end before the call does, and its failure is lost. ${keep}`;
    case "mistaken":
      return "is used as if it were the result: a promise is always true, and has nothing of the result. Await it.";
  }
}
