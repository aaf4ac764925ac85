import type { BlobStore } from "../../core/ports/blobs.ts";
import type { Directive, TaskRef } from "../../core/ports/orchestrator.ts";

/** A directive as a state machine understands it: ids and counts only, at most 1 KB. */
export interface MachineDirective {
  readonly kind: "end" | "advance" | "tasks" | "manyTasks" | "park";
  /** What is awaited or run, when it is one thing; the state's name comes from it. */
  readonly label: string;
  /** Isolated attempts, for the estimate of the history. */
  readonly count: number;
  readonly epoch: number;
  readonly status?: string;
  readonly code?: string;
  readonly tasks?: readonly MachineTask[];
  /** Object that holds the tasks, where there are too many of them. */
  readonly key?: string;
  readonly seen?: string;
  readonly wakeAt?: number;
  readonly seconds?: number;
}

/** One isolated attempt, as a state machine passes it on. */
export interface MachineTask {
  readonly callId: string;
  readonly attempt: number;
  /** Name of the checkpoint. */
  readonly name: string;
}

/** Bytes of tasks that still pass through the machine. */
const inlineTaskBytes = 800;

/** Put a directive into the words of a state machine. Many tasks are put into the bucket first. */
export async function machineDirective(
  directive: Directive,
  { executionId, now, blobs }: { executionId: string; now: number; blobs: BlobStore },
): Promise<MachineDirective> {
  const common = { label: "", count: 0, epoch: 0 };
  switch (directive.kind) {
    case "end": {
      const { status, code } = directive.ended ?? {};
      return {
        ...common,
        kind: "end",
        ...(status === undefined ? {} : { status }),
        ...(status === "failed" ? { code: code ?? "failed" } : {}),
      };
    }
    case "advance":
      return { ...common, kind: "advance", epoch: directive.epoch ?? 0 };
    case "park": {
      const { label, seen, wakeAt, epoch } = directive;
      const seconds = Math.max(1, Math.ceil((wakeAt - now) / 1000));
      return { ...common, kind: "park", label, seen, wakeAt, seconds, epoch };
    }
    case "tasks": {
      const tasks = directive.tasks.map(machineTask);
      const epoch = directive.epoch ?? 0;
      const label = labelOf(tasks);
      const text = JSON.stringify(tasks);
      if (text.length <= inlineTaskBytes)
        return { ...common, kind: "tasks", label, tasks, count: tasks.length, epoch };
      const key = `tasks/${encodeURIComponent(executionId)}/${epoch}.json`;
      await blobs.put(key, new TextEncoder().encode(text), { contentType: "application/json" });
      return { ...common, kind: "manyTasks", key, epoch };
    }
  }
}

function machineTask({ callId, attempt }: TaskRef): MachineTask {
  return { callId, attempt, name: callId.slice(0, callId.lastIndexOf(":")) };
}

/** The checkpoint all of them are of, if they are of one. */
function labelOf(tasks: readonly MachineTask[]): string {
  const names = new Set(tasks.map(({ name }) => name));
  const [name] = names;
  return names.size === 1 && name !== undefined ? name : "";
}
