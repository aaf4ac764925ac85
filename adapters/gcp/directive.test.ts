import { describe, expect, it } from "vitest";
import { memoryBlobs } from "../../testing/memory.ts";
import { leave, pageKey, tasksPerPage, workflowDirective } from "./directive.ts";
import { workflowName, workflowPath } from "./names.ts";

const executionId = "kr/1";
const now = 1_000_000;

function directive(
  given: Parameters<typeof workflowDirective>[0],
  blobs = memoryBlobs(),
): ReturnType<typeof workflowDirective> {
  return workflowDirective(given, { executionId, now, blobs });
}

describe("what a workflow is told", () => {
  it("is an end with the status, and the code of a failure", async () => {
    expect(await directive({ kind: "end" })).toEqual(leave);
    expect(await directive({ kind: "end", ended: { status: "completed" } })).toEqual({
      ...leave,
      status: "completed",
    });
    expect(await directive({ kind: "end", ended: { status: "cancelled" } })).toMatchObject({
      status: "cancelled",
      code: "cancelled",
    });
    const failed = await directive({ kind: "end", ended: { status: "failed", code: "timeout" } });
    expect(failed).toMatchObject({ kind: "end", status: "failed", code: "timeout" });
    expect(await directive({ kind: "end", ended: { status: "failed" } })).toMatchObject({
      code: "failed",
    });
  });

  it("is a park of whole seconds, at least one", async () => {
    const park = { kind: "park", label: "approve", seen: "absent", epoch: 3 } as const;
    expect(await directive({ ...park, wakeAt: now + 1500 })).toMatchObject({
      kind: "park",
      label: "approve",
      seconds: 2,
      epoch: 3,
    });
    expect(await directive({ ...park, wakeAt: now - 5 })).toMatchObject({ seconds: 1 });
  });

  it("is the tasks themselves, labelled when they are of one checkpoint", async () => {
    const task = (callId: string) => ({ executionId, callId, attempt: 1 });
    const one = await directive({ kind: "tasks", tasks: [task("a:0"), task("a:1")], epoch: 2 });
    expect(one).toMatchObject({ kind: "tasks", label: "a", count: 2, epoch: 2 });
    expect(one.tasks[1]).toEqual({ callId: "a:1", attempt: 1, name: "a" });
    const two = await directive({ kind: "tasks", tasks: [task("a:0"), task("b:0")] });
    expect(two).toMatchObject({ kind: "tasks", label: "" });
  });

  it("is the pages of many tasks, none lost", async () => {
    const blobs = memoryBlobs();
    const count = 2 * tasksPerPage + 1;
    const tasks = Array.from({ length: count }, (_, n) => ({
      executionId,
      callId: `a:${n}`,
      attempt: 1,
    }));
    const { kind, key, pages, tasks: none } = await directive({ kind: "tasks", tasks }, blobs);
    expect({ kind, pages, none }).toEqual({ kind: "manyTasks", pages: 3, none: [] });
    const found: { callId: string }[] = [];
    for (let page = 0; page < pages; page++) {
      const bytes = await blobs.get(pageKey(key, page));
      found.push(...(JSON.parse(new TextDecoder().decode(bytes)) as { callId: string }[]));
    }
    expect(found.map(({ callId }) => callId)).toEqual(tasks.map(({ callId }) => callId));
  });
});

describe("names of workflows", () => {
  it("have at most 64 characters that are allowed, and differ by bundle", () => {
    const bundle = "0123456789abcdef0123";
    expect(workflowName("prod", "review_flow", bundle)).toBe("prod-review_flow-0123456789ab");
    const long = workflowName("prod", "f".repeat(80), bundle);
    expect(long).toMatch(/^[a-z][\w-]{0,62}[a-z\d]$/);
    expect(long).not.toBe(workflowName("prod", "f".repeat(79), bundle));
    expect(workflowPath("p", "europe-west4", "w")).toBe(
      "projects/p/locations/europe-west4/workflows/w",
    );
  });
});
