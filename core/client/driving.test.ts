import { afterEach, beforeEach, expect, test } from "vitest";

import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { registry } from "../engine/definitions.ts";
import { headDraft, headKey, readHead } from "../journal/head.ts";
import { flow } from "../primitives/flow.ts";

let stack: TestStack;
beforeEach(async () => {
  registry.clear();
  stack = await testStack({ config: {} });
});
afterEach(() => stack.close());

test("an end that nobody was told of, for its process was gone, is told by resume()", async () => {
  const f = flow("f", async () => "done");
  const handle = f.run(undefined, { id: "e" });
  await handle.result();
  const { records } = stack.backend;
  const record = await records.get(headKey("e"));
  const head = record && readHead(record);
  const { out: _out, ...view } = { out: undefined, ...head?.view };
  const before = { ...head, view: { ...view, pos: 0, epoch: 0, status: "queued" } };
  await records.put(headDraft(before as Parameters<typeof headDraft>[0], 1), record?.version ?? "");
  await expect(handle.get()).rejects.toThrow("still running");
  expect(await stack.client.executions.resume("e")).toMatchObject({
    status: "completed",
    output: "done",
  });
  expect(await handle.get()).toBe("done");
  await expect(stack.client.executions.resume("e")).rejects.toThrow("nothing to resume");
});
