import type { BlobStore } from "../../core/ports/blobs.ts";
import type { Directive, StartParams, TaskRef } from "../../core/ports/orchestrator.ts";

/**
 * What a client puts into the queue of the function app. The addresses under which instances are started and woken never
 * leave the app: their key controls every instance.
 */
export type AppMessage =
  | ({ readonly op: "start" } & StartParams)
  | { readonly op: "wake"; readonly token: string; readonly executionId: string };

/** A directive as the orchestrator function understands it: ids and counts only, so that its history stays small. */
export type LoopDirective =
  | { readonly kind: "end"; readonly status?: string; readonly code?: string }
  | { readonly kind: "advance" }
  | { readonly kind: "tasks"; readonly label: string; readonly tasks: readonly LoopTask[] }
  /** So many isolated attempts that a blob holds them. */
  | { readonly kind: "manyTasks"; readonly key: string; readonly count: number }
  /** Parked already, under the token of this turn. */
  | { readonly kind: "park"; readonly label: string; readonly wakeAt: number };

/** One isolated attempt. */
export type LoopTask = Pick<TaskRef, "callId" | "attempt">;

/** Isolated attempts one orchestration runs at once; more of them are run in pages of as many, by orchestrations of their own. */
export const pageTasks = 50;

interface TranslateParams {
  readonly executionId: string;
  /** Number of the turn, which names what is put aside. */
  readonly turn: number;
  readonly blobs: BlobStore;
  /** Parks the execution; false when something has arrived since. */
  readonly park: (directive: Extract<Directive, { kind: "park" }>) => Promise<boolean>;
}

/** Put a directive into the words of the orchestrator function, parked or its many tasks put aside. */
export async function loopDirective(
  directive: Directive,
  { executionId, turn, blobs, park }: TranslateParams,
): Promise<LoopDirective> {
  switch (directive.kind) {
    case "end": {
      const { status, code } = directive.ended ?? {};
      return {
        kind: "end",
        ...(status === undefined ? {} : { status }),
        ...(status === "failed" ? { code: code ?? "failed" } : {}),
      };
    }
    case "advance":
      return { kind: "advance" };
    case "park": {
      const { label, wakeAt } = directive;
      return (await park(directive)) ? { kind: "park", label, wakeAt } : { kind: "advance" };
    }
    case "tasks": {
      const tasks = directive.tasks.map(({ callId, attempt }): LoopTask => ({ callId, attempt }));
      if (tasks.length <= pageTasks) return { kind: "tasks", label: labelOf(tasks), tasks };
      const key = `tasks/${encodeURIComponent(executionId)}/${directive.epoch ?? 0}-${turn}.json`;
      const bytes = new TextEncoder().encode(JSON.stringify(tasks));
      await blobs.put(key, bytes, { contentType: "application/json" });
      return { kind: "manyTasks", key, count: tasks.length };
    }
  }
}

/** Read one page of the isolated attempts that were put aside. */
export async function readPage(
  blobs: BlobStore,
  { key, page }: { readonly key: string; readonly page: number },
): Promise<readonly LoopTask[]> {
  const bytes = await blobs.get(key);
  if (bytes === undefined) throw new Error(`The list of isolated attempts ${key} is gone.`);
  const tasks = JSON.parse(new TextDecoder().decode(bytes)) as readonly LoopTask[];
  return tasks.slice(page * pageTasks, (page + 1) * pageTasks);
}

/** The checkpoint all of them are of, if they are of one. */
function labelOf(tasks: readonly LoopTask[]): string {
  const names = new Set(tasks.map(({ callId }) => callId.slice(0, callId.lastIndexOf(":"))));
  const [name] = names;
  return names.size === 1 && name !== undefined ? name : "";
}
