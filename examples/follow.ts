import { type FlowHandle, KitaruClient, type PendingWait } from "kitaru";

/** What to show as the answer to a wait, by its name; `true` fits where none is given. */
type ExampleAnswers = Readonly<Record<string, unknown>>;

/**
 * Follow an execution until it has ended or asks somebody; print its calls, then its result, or what it asks and the
 * command that answers. The process may end then, or be killed: whoever answers goes on.
 */
export async function follow(
  handle: FlowHandle<unknown>,
  examples: ExampleAnswers = {},
): Promise<void> {
  await handle.started;
  console.log(`Execution ${handle.id}`);
  const { status, calls, pendingWaits } = await new KitaruClient().executions.untilRest(handle.id);
  for (const { id, status: callStatus } of calls) console.log(`  ${id.padEnd(22)} ${callStatus}`);
  if (status !== "waiting") return show(await handle.result());
  for (const wait of pendingWaits) {
    const isOnlyOne = pendingWaits.length === 1;
    const which = isOnlyOne ? handle.id : `${handle.id} --wait ${wait.id}`;
    tellHowToAnswer(which, wait, examples[wait.name] ?? true);
  }
}

/** Say whether a model is asked, and how to choose one. */
export function tellModel(): void {
  const model = process.env["KITARU_DEFAULT_MODEL"];
  console.log(
    model === undefined
      ? "No KITARU_DEFAULT_MODEL is set: offline/extract stands in for a model. It repeats the leading sentences of its prompt."
      : `Model: ${model}`,
  );
}

function tellHowToAnswer(which: string, wait: PendingWait, example: unknown): void {
  const json = JSON.stringify(example);
  const value = /^\w+$/.test(json) ? json : `'${json}'`;
  console.log();
  if (wait.metadata !== undefined) show(wait.metadata);
  console.log(`${wait.question ?? wait.name} Nothing runs now. Answer from any terminal:`);
  console.log(`  npx kitaru executions input ${which} --value ${value}`);
}

function show(value: unknown): void {
  console.log(typeof value === "string" ? value : JSON.stringify(value, undefined, 2));
}
