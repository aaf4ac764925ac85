import { KitaruUsageError } from "../../core/errors.ts";
import { holds } from "../../core/plan/check.ts";
import type { TaskPlan } from "../../core/plan/plan.ts";
import type { TaskFunction } from "./runtime-document.ts";

/** The smallest function that holds a checkpoint. Throws a usage error when none does. */
export function functionFor(task: TaskPlan, functions: readonly TaskFunction[]): TaskFunction {
  const found = functions.find((fn) => holds(fn, task));
  if (found !== undefined) return found;
  const sizes = functions.map(({ size, memoryMb }) => `${size} (${memoryMb} MB)`).join(", ");
  throw new KitaruUsageError(
    `No function of this runtime holds the checkpoint "${task.checkpoint}"; there is ${sizes}. Add a size to \`taskSizes\` of kitaruRuntime() and run \`terraform apply\`, or ask for less.`,
  );
}
