import type { AttemptSize, Capabilities } from "../ports/backend.ts";
import type { InlinePlan, Plan, TaskPlan } from "./plan.ts";

/** Say what a stack of these capabilities cannot do of a plan, one sentence each; empty when it can do all of it. */
export function checkPlan(plan: Plan, capabilities: Capabilities): readonly string[] {
  const { inline = [], tasks } = plan;
  return [
    ...inline.flatMap((checkpoint) => inlineProblem(checkpoint, capabilities) ?? []),
    ...tasks.flatMap((task) => taskProblem(task, capabilities) ?? []),
  ];
}

/** Whether an attempt of a checkpoint can run in this size. */
export function holds(
  size: Omit<AttemptSize, "size">,
  { memoryMb = 0, storageMb = 0, timeoutMs = 0 }: TaskPlan,
): boolean {
  return size.memoryMb >= memoryMb && size.storageMb >= storageMb && size.timeoutMs >= timeoutMs;
}

function inlineProblem(
  { checkpoint, timeoutMs }: InlinePlan,
  { kind, advanceMs = Infinity }: Capabilities,
): string | undefined {
  if (timeoutMs <= advanceMs) return undefined;
  return `Checkpoint "${checkpoint}" has a timeout of ${seconds(timeoutMs)} and runs inline, and a stack of kind "${kind}" runs a flow for at most ${seconds(advanceMs)} at a time. Give it a shorter timeout, or split it.`;
}

function taskProblem(
  task: TaskPlan,
  { kind, isolated, attemptSizes }: Capabilities,
): string | undefined {
  if (!isolated)
    return `Checkpoint "${task.checkpoint}" is isolated, and a stack of kind "${kind}" has no invocations of their own for checkpoints. Let it run inline, or choose another stack.`;
  if (attemptSizes === undefined || attemptSizes.some((size) => holds(size, task)))
    return undefined;
  const wanted = [
    ...(task.memoryMb === undefined ? [] : [`${task.memoryMb} MB of memory`]),
    ...(task.storageMb === undefined ? [] : [`${task.storageMb} MB of temporary files`]),
    ...(task.timeoutMs === undefined ? [] : [seconds(task.timeoutMs)]),
  ];
  const there = attemptSizes.map(
    ({ size, memoryMb, storageMb, timeoutMs }) =>
      `${size} (${memoryMb} MB of memory, ${storageMb} MB of temporary files, ${seconds(timeoutMs)})`,
  );
  return `Checkpoint "${task.checkpoint}" asks for ${wanted.join(", ")}, and no size of this stack of kind "${kind}" has as much: ${there.join("; ")}. Ask for less, or add a size to the stack.`;
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}
