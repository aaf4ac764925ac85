import { KitaruStateError } from "../errors.ts";

/** The state error (`not_found`) for an id that no execution of the stack has. */
export function noExecution(id: string): KitaruStateError {
  return new KitaruStateError(
    `There is no execution ${JSON.stringify(id)} on this stack. \`kitaru executions list\` shows what there is.`,
    { code: "not_found" },
  );
}
