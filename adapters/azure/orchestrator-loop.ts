import type { LoopDirective, LoopTask } from "./directive.ts";
import { pageTasks } from "./directive.ts";
import type { Durable, Retry, Step } from "./durable.ts";
import { pageInstanceId, wakeEvent } from "./durable-ids.ts";
import { functionNames } from "./names.ts";

/** What an instance is started with, and begun anew. */
export interface LoopInput {
  readonly executionId: string;
  readonly flow: string;
  /** Turns made before it was begun anew. @default 0 */
  readonly turns?: number;
}

/** What the advance activity is asked. */
export interface AdvanceInput {
  readonly executionId: string;
  /** Id of the instance. */
  readonly owner: string;
  readonly turn: number;
}

/** What a page of isolated attempts is asked: those of a list, or these. */
export interface PageInput {
  readonly executionId: string;
  readonly key: string;
  readonly page: number;
}

/** An isolated attempt, as its activity is asked for it. */
export interface TaskInput extends LoopTask {
  readonly executionId: string;
}

/** An isolated attempt that left no outcome, and why. */
export interface CrashedInput extends TaskInput {
  readonly why: string;
}

/** Turns after which an instance begins anew: its whole history is read and sent for every one. */
const renewTurns = 50;
/** Isolated attempts after which it does so, too. */
const renewTasks = 200;

/** An activity that re-reads the store may be repeated whatever went wrong. */
const anything: Retry = { attempts: 8, firstDelayMs: 2000, maxDelayMs: 60_000 };

/** Run an execution: a loop of advance and what it asks for. Values never pass through here. */
export function* runLoop(durable: Durable<LoopInput>): Generator<Step, unknown, unknown> {
  const { executionId, turns = 0 } = durable.input;
  let tasks = 0;
  for (let turn = turns; ; turn++) {
    // nothing is open here: what is said to the instance meanwhile is in the store, which the next advance reads
    if (turn - turns >= renewTurns || tasks >= renewTasks) {
      durable.continueAsNew({ ...durable.input, turns: turn });
      return undefined;
    }
    durable.show("Advance");
    const ask: AdvanceInput = { executionId, owner: durable.instance, turn };
    const said = (yield durable.call(functionNames.advance, ask, anything)) as LoopDirective;
    switch (said.kind) {
      case "end":
        return ended(said, executionId);
      case "advance":
        break;
      case "park":
        durable.show(`Wait for ${said.label}`);
        yield* park(durable, turn, said.wakeAt);
        break;
      case "tasks":
        durable.show(`Run ${said.label === "" ? "tasks" : said.label}`);
        tasks += said.tasks.length;
        yield* runTasks(durable, executionId, said.tasks);
        break;
      case "manyTasks":
        durable.show(`Run ${said.count} tasks`);
        tasks += said.count / pageTasks;
        yield* runPages(durable, turn, said);
        break;
    }
  }
}

/** Run one page of a long list of isolated attempts, in a history of its own. */
export function* runPage(durable: Durable<PageInput>): Generator<Step, unknown, unknown> {
  const { executionId, key, page } = durable.input;
  const list = durable.call(functionNames.list, { key, page }, anything);
  const tasks = (yield list) as readonly LoopTask[];
  yield* runTasks(durable, executionId, tasks);
  return undefined;
}

/** Thrown to fail an instance, so that what watches the app sees it; the execution has its own error. */
function ended(
  { status, code }: Extract<LoopDirective, { kind: "end" }>,
  executionId: string,
): { readonly executionId: string } {
  if (status === "failed") throw new Error(`${code}: execution ${executionId} failed`);
  if (status === "cancelled") throw new Error(`cancelled: execution ${executionId}`);
  return { executionId };
}

function* park(
  durable: Durable<unknown>,
  turn: number,
  wakeAt: number,
): Generator<Step, void, unknown> {
  const timer = durable.timer(wakeAt);
  const first = yield durable.any([durable.event(wakeEvent(turn)), timer]);
  if (first !== timer) timer.cancel();
}

/** Every attempt leaves its outcome in the store; of one that could not, it is stored that it crashed. */
function* runTasks(
  durable: Durable<unknown>,
  executionId: string,
  tasks: readonly LoopTask[],
): Generator<Step, void, unknown> {
  const begun = tasks.map((task) => {
    const ask: TaskInput = { executionId, ...task };
    return { ask, step: durable.call(functionNames.task, ask) };
  });
  try {
    yield durable.all(begun.map(({ step }) => step));
  } catch {
    // the others run on: each is waited for by itself
    for (const { ask, step } of begun) yield* settle(durable, ask, step);
  }
}

function* settle(
  durable: Durable<unknown>,
  task: TaskInput,
  step: Step,
): Generator<Step, void, unknown> {
  let why: string;
  try {
    yield step;
    return;
  } catch (error) {
    why = reasonOf(error);
  }
  try {
    yield durable.call(functionNames.crashed, { ...task, why }, anything);
  } catch {
    // its deadline tells the next advance the same
  }
}

function* runPages(
  durable: Durable<LoopInput>,
  turn: number,
  { key, count }: Extract<LoopDirective, { kind: "manyTasks" }>,
): Generator<Step, void, unknown> {
  const { executionId } = durable.input;
  const pages = Array.from({ length: Math.ceil(count / pageTasks) }, (_, page) => {
    const ask: PageInput = { executionId, key, page };
    return durable.child(functionNames.page, ask, pageInstanceId(durable.instance, turn, page));
  });
  try {
    yield durable.all(pages);
  } catch {
    for (const page of pages)
      try {
        yield page;
      } catch {
        // what it left undone is asked for again
      }
  }
}

/** The first line of a failed activity's message, without its stack. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return (message.split("\n", 1)[0] ?? "").trim().slice(0, 200);
}
