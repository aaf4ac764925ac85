import { KitaruUsageError } from "../../core/errors.ts";
import type { TaskPlan } from "../../core/plan/plan.ts";
import type { TaskFunction } from "./runtime-document.ts";

/** The smallest function that holds a checkpoint. Throws a usage error when none does. */
export function functionFor(task: TaskPlan, functions: readonly TaskFunction[]): TaskFunction {
  const found = functions.find((fn) => holds(fn, task));
  if (found !== undefined) return found;
  throw new KitaruUsageError(tooLarge(task, functions));
}

/** What keeps a checkpoint from running on a runtime of these functions; undefined when nothing does. */
export function tooLarge(task: TaskPlan, functions: readonly TaskFunction[]): string {
  const { checkpoint, memoryMb = 0, storageMb = 0, timeoutMs = 0 } = task;
  const there = functions
    .map(
      (fn) =>
        `${fn.size} (${fn.memoryMb} MB, ${fn.storageMb} MB of /tmp, ${fn.timeoutMs / 1000} s)`,
    )
    .join(", ");
  return `Checkpoint "${checkpoint}" wants ${memoryMb} MB, ${storageMb} MB of /tmp and ${timeoutMs / 1000} s, and no function of this runtime has as much: ${there}. Add a size to \`taskSizes\` of KitaruRuntime and run \`cdk deploy\`, or ask for less.`;
}

function holds(
  fn: TaskFunction,
  { memoryMb = 0, storageMb = 0, timeoutMs = 0 }: TaskPlan,
): boolean {
  return fn.memoryMb >= memoryMb && fn.storageMb >= storageMb && fn.timeoutMs >= timeoutMs;
}
