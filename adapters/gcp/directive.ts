import type { BlobStore } from "../../core/ports/blobs.ts";
import type { Directive, TaskRef } from "../../core/ports/orchestrator.ts";

/*
 * What a workflow and the functions say to each other. Every request is a POST of JSON to the function's URL, with an OIDC
 * identity token of the workflow's service account whose audience is that URL; `op` says what is asked.
 *
 * A workflow is started with a WorkflowInput. Its loop:
 *   1  create a callback endpoint (events.create_callback_endpoint, POST)
 *   2  POST AdvanceRequest to `advance`, with that endpoint's URL → WorkflowDirective. Where the directive is `park`, the
 *      URL has been kept as what wakes the execution: there is no park request, and a wake may come before it is awaited.
 *   3  end      completed, or no status (somebody else drives it, or it was detached): return; failed or cancelled: raise {code}
 *      advance  → 1
 *      park     events.await_callback, timeout `seconds`; a TimeoutError is no error → 1
 *      tasks    for each, at most 20 at once: POST TaskRequest to its function; if that fails for good, POST
 *               CrashedRequest to `advance` → 1
 *      manyTasks  for page 0 … pages-1: POST PageRequest to `advance` → {tasks}, then as for tasks → 1
 *   renew      before the steps of an execution run out: create an execution of the same workflow with
 *              {executionId, generation, after: own execution name} and return. Created twice it is harmless.
 *
 * Replies: 200 with JSON. 408, 429, 500, 502, 503, 504, broken connections and timeouts: the same request again, with backoff.
 * 400, 401, 403, 404: never again; the sweep restarts what is left over.
 */

/** Argument of a workflow's execution: ids only. */
export interface WorkflowInput {
  readonly executionId: string;
  /** Counts restarts, from 1. */
  readonly generation: number;
  /** Resource name of the workflow's execution that this one goes on for; it is about to end, or has. */
  readonly after?: string;
}

/** Asks for an advance. */
export interface AdvanceRequest {
  readonly op: "advance";
  readonly executionId: string;
  /** Of the {@link WorkflowInput}: a later start takes over from one that rests, and an earlier one is told to end. */
  readonly generation: number;
  /**
   * Resource name of the asking execution: `projects/P/locations/L/workflows/W/executions/E`. It is the owner of the advances,
   * so that of two workflows started for one execution the second finds the first and ends.
   */
  readonly workflow: string;
  /** URL of the endpoint created for this advance. */
  readonly callbackUrl: string;
  /** Of the {@link WorkflowInput}, if it is there; null is the same as absent. */
  readonly after?: string | null;
}

/** Asks for one isolated attempt; the reply is `{}`, its outcome is in the store. */
export interface TaskRequest extends TaskRef {
  readonly op: "task";
}

/** Says that an isolated attempt left no outcome; the reply is `{}`. */
export interface CrashedRequest extends TaskRef {
  readonly op: "crashed";
  readonly why: string;
}

/** Asks for one page of many tasks; the reply is `{ tasks: WorkflowTask[] }`. */
export interface PageRequest {
  readonly op: "page";
  readonly executionId: string;
  readonly key: string;
  /** From 0. */
  readonly page: number;
}

/** A directive as a workflow understands it: ids and counts only, at most 16 KB. */
export interface WorkflowDirective {
  readonly kind: "end" | "advance" | "tasks" | "manyTasks" | "park";
  /** What is awaited or run, when it is one thing; the step's name comes from it. Else empty. */
  readonly label: string;
  /** Isolated attempts, for the estimate of the steps. */
  readonly count: number;
  readonly epoch: number;
  /** `completed`, `failed` or `cancelled`; empty where the workflow ends and the execution does not. */
  readonly status: string;
  /** Of the error of a failed one, `cancelled` of a cancelled one; else empty. */
  readonly code: string;
  readonly tasks: readonly WorkflowTask[];
  /** Names the tasks of `manyTasks`; else empty. */
  readonly key: string;
  readonly pages: number;
  /** How long to await the callback. */
  readonly seconds: number;
}

/** One isolated attempt, as a workflow passes it on. */
export interface WorkflowTask {
  readonly callId: string;
  readonly attempt: number;
  /** Name of the checkpoint. */
  readonly name: string;
}

/** Tasks that still pass through the workflow at once: a variable and all others together have 512 KB. */
export const tasksPerPage = 100;

const nothing: WorkflowDirective = {
  kind: "end",
  label: "",
  count: 0,
  epoch: 0,
  status: "",
  code: "",
  tasks: [],
  key: "",
  pages: 0,
  seconds: 0,
};

/** The workflow ends, and the execution does not. */
export const leave: WorkflowDirective = nothing;

/** Put a directive into the words of a workflow. Many tasks are put into the bucket first. */
export async function workflowDirective(
  directive: Directive,
  { executionId, now, blobs }: { executionId: string; now: number; blobs: BlobStore },
): Promise<WorkflowDirective> {
  switch (directive.kind) {
    case "end": {
      const { status = "", code = "" } = directive.ended ?? {};
      if (status === "failed") return { ...nothing, status, code: code === "" ? "failed" : code };
      return { ...nothing, status, code: status === "cancelled" ? status : "" };
    }
    case "advance":
      return { ...nothing, kind: "advance", epoch: directive.epoch ?? 0 };
    case "park": {
      const { label, wakeAt, epoch } = directive;
      return { ...nothing, kind: "park", label, epoch, seconds: secondsUntil(wakeAt, now) };
    }
    case "tasks": {
      const tasks = directive.tasks.map(workflowTask);
      const { epoch = 0 } = directive;
      const common = { ...nothing, label: labelOf(tasks), count: tasks.length, epoch };
      if (tasks.length <= tasksPerPage) return { ...common, kind: "tasks", tasks };
      const key = `tasks/${encodeURIComponent(executionId)}/${epoch}`;
      const pages = Math.ceil(tasks.length / tasksPerPage);
      await Promise.all(
        Array.from({ length: pages }, (_, page) =>
          putPage(
            blobs,
            pageKey(key, page),
            tasks.slice(page * tasksPerPage, (page + 1) * tasksPerPage),
          ),
        ),
      );
      return { ...common, kind: "manyTasks", key, pages };
    }
  }
}

/** Key of the object with one page of many tasks. */
export function pageKey(key: string, page: number): string {
  return `${key}/${page}.json`;
}

function putPage(blobs: BlobStore, key: string, tasks: readonly WorkflowTask[]): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify(tasks));
  // the functions may not replace what is there; a page that is, of the same epoch, is the same
  return blobs.put(key, bytes, { contentType: "application/json", ifAbsent: true });
}

function secondsUntil(time: number, now: number): number {
  return Math.max(1, Math.ceil((time - now) / 1000));
}

function workflowTask({ callId, attempt }: TaskRef): WorkflowTask {
  return { callId, attempt, name: callId.slice(0, callId.lastIndexOf(":")) };
}

/** The checkpoint all of them are of, if they are of one. */
function labelOf(tasks: readonly WorkflowTask[]): string {
  const names = new Set(tasks.map(({ name }) => name));
  const [name] = names;
  return names.size === 1 && name !== undefined ? name : "";
}
