import { describe, expect, test } from "vitest";
import type { Directive } from "../../core/ports/orchestrator.ts";
import { memoryBlobs } from "../../testing/index.ts";
import { loopDirective, pageTasks, readPage } from "./directive.ts";

const blobs = memoryBlobs();
const translate = (directive: Directive, isParked = true) =>
  loopDirective(directive, {
    executionId: "exec/1",
    turn: 3,
    blobs,
    park: async () => isParked,
  });
const refs = (count: number, name: string) =>
  Array.from({ length: count }, (_, n) => ({
    executionId: "exec/1",
    callId: `${name}:${n}`,
    attempt: 1,
  }));

describe("what passes through the orchestrator function", () => {
  test("an end, with the code of a failure", async () => {
    expect(await translate({ kind: "end" })).toEqual({ kind: "end" });
    expect(await translate({ kind: "end", ended: { status: "completed" } })).toEqual({
      kind: "end",
      status: "completed",
    });
    expect(await translate({ kind: "end", ended: { status: "failed" } })).toEqual({
      kind: "end",
      status: "failed",
      code: "failed",
    });
  });

  test("a park, or another advance when something has arrived since", async () => {
    const park = { kind: "park", label: "approve", seen: "absent", wakeAt: 9, epoch: 2 } as const;
    expect(await translate(park)).toEqual({ kind: "park", label: "approve", wakeAt: 9 });
    expect(await translate(park, false)).toEqual({ kind: "advance" });
    expect(await translate({ kind: "advance", epoch: 4 })).toEqual({ kind: "advance" });
  });

  test("few tasks, with a label when they are of one checkpoint", async () => {
    expect(await translate({ kind: "tasks", tasks: refs(2, "draw"), epoch: 5 })).toEqual({
      kind: "tasks",
      label: "draw",
      tasks: [
        { callId: "draw:0", attempt: 1 },
        { callId: "draw:1", attempt: 1 },
      ],
    });
    const mixed = [...refs(1, "draw"), ...refs(1, "print")];
    expect(await translate({ kind: "tasks", tasks: mixed })).toMatchObject({ label: "" });
  });

  test("many tasks are put aside and read page by page", async () => {
    const tasks = refs(2 * pageTasks + 1, "draw");
    const directive = await translate({ kind: "tasks", tasks, epoch: 5 });
    expect(directive).toEqual({
      kind: "manyTasks",
      key: "tasks/exec%2F1/5-3.json",
      count: tasks.length,
    });
    const pages = [];
    for (const page of [0, 1, 2])
      pages.push(await readPage(blobs, { key: "tasks/exec%2F1/5-3.json", page }));
    expect(pages.map(({ length }) => length)).toEqual([pageTasks, pageTasks, 1]);
    expect(pages.flat().map(({ callId }) => callId)).toEqual(tasks.map(({ callId }) => callId));
    await expect(readPage(blobs, { key: "tasks/none.json", page: 0 })).rejects.toThrow(/is gone/);
  });
});
