import { afterEach, beforeEach, expect, test } from "vitest";
import { flowModule, unique } from "../../test/deployments/project.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import type { Runtime } from "../engine/runtime.ts";
import { activeRuntime } from "../stacks.ts";
import { type ApiReply, serve } from "./serve.ts";

let stack: TestStack;
let name = "";
beforeEach(async () => {
  stack = await testStack({ config: {} });
  name = unique("asking");
  const entry = await flowModule(`
    import { flow, wait } from "kitaru";
    import { z } from "zod";
    const amount = wait("amount", { schema: z.number() });
    export const asking = flow("${name}", async (input: { unit: string }) => \`\${await amount()} \${input.unit}\`);
  `);
  await stack.client.deployments.deploy({ entry, tag: "default" });
});
afterEach(() => stack.close());

async function ask(event: unknown): Promise<ApiReply> {
  return serve(await activeRuntime(), event);
}

async function refusal(event: unknown): Promise<string> {
  const reply = await ask(event);
  return reply.ok ? "none" : `${reply.error.code}: ${reply.error.message}`;
}

async function started(id: string): Promise<void> {
  expect(await ask({ op: "start", flow: name, input: { unit: "euros" }, id })).toEqual({
    ok: true,
    result: { executionId: id, version: "1" },
  });
  await expect.poll(async () => (await stack.client.executions.get(id)).status).toBe("waiting");
}

test("starts, looks at and answers an execution", async () => {
  await started("e");
  expect(await ask({ op: "get", executionId: "e" })).toMatchObject({
    ok: true,
    result: { status: "waiting", pendingWaits: [{ id: "amount:0" }] },
  });
  expect(await refusal({ op: "answer", executionId: "e", value: "much" })).toContain("amount");
  expect(await ask({ op: "answer", executionId: "e", wait: "amount", value: 5 })).toMatchObject({
    ok: true,
  });
  await expect
    .poll(() => ask({ op: "get", executionId: "e" }))
    .toMatchObject({ result: { status: "completed", output: "5 euros" } });
});

test("a start with an id is the same start again; another input under it is refused", async () => {
  await started("e");
  await started("e");
  const other = { op: "start", flow: name, input: { unit: "dollars" }, id: "e" };
  expect(await refusal(other)).toMatch(/^conflict: /);
});

test("a start without an id has one of its own, of the version or tag that is asked for", async () => {
  const event = { op: "start", flow: name, input: { unit: "euros" } };
  const replies = await Promise.all([
    ask({ ...event, version: 1 }),
    ask({ ...event, tag: "default" }),
  ]);
  expect(replies).toMatchObject([{ result: { version: "1" } }, { ok: true }]);
  expect(await refusal({ ...event, version: 7 })).toContain("7");
  expect(await refusal({ ...event, tag: "canary" })).toContain("canary");
});

test("cancels an execution and aborts a wait", async () => {
  await started("aborted");
  expect(await ask({ op: "abort", executionId: "aborted" })).toMatchObject({ ok: true });
  await expect
    .poll(() => ask({ op: "get", executionId: "aborted" }))
    .toMatchObject({ result: { status: "failed" } });
  await started("cancelled");
  expect(await ask({ op: "cancel", executionId: "cancelled" })).toMatchObject({ ok: true });
  await expect
    .poll(() => ask({ op: "get", executionId: "cancelled" }))
    .toMatchObject({ result: { status: "cancelled" } });
});

test.each<[unknown, string]>([
  [
    undefined,
    "usage: api: `op` is undefined. It must be one of: start, answer, abort, cancel, get.",
  ],
  ["start", "usage: api: `op` is undefined. It must be one of: start, answer, abort, cancel, get."],
  [
    { op: "drop" },
    'usage: api: `op` is "drop". It must be one of: start, answer, abort, cancel, get.',
  ],
  [{ op: "start" }, 'usage: api: `flow` of "start" is undefined. It must be a text.'],
  [{ op: "get", executionId: 7 }, 'usage: api: `executionId` of "get" is 7. It must be a text.'],
  [
    { op: "cancel", executionId: "" },
    'usage: api: `executionId` of "cancel" is "". It must be a text.',
  ],
  [
    { op: "answer", executionId: "e", wait: 0 },
    'usage: api: `wait` of "answer" is 0. It must be a text, or left out.',
  ],
  [
    { op: "start", flow: "f", version: 1.5 },
    'usage: api: `version` of "start" is 1.5. It must be a whole number, or left out.',
  ],
])("%j is refused", async (event, told) => {
  expect(await refusal(event)).toBe(told);
});

test("what nobody knows is told with its code, and what Kitaru does not throw is thrown on", async () => {
  expect(await refusal({ op: "get", executionId: "none" })).toMatch(/^not_found: /);
  const noRuntime = {} as Runtime;
  await expect(serve(noRuntime, { op: "get", executionId: "e" })).rejects.toThrow(TypeError);
});
