import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";

import { registry } from "../engine/definitions.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { checkpoint } from "./checkpoint.ts";
import { failureOf, twice } from "./fixtures/twice.ts";
import { flow } from "./flow.ts";
import { now } from "./deterministic.ts";
import { wait } from "./wait.ts";

let stack: TestStack;
beforeEach(async () => {
  registry.clear();
  stack = await testStack({ config: {} });
});
afterEach(() => stack.close());

describe("answering", () => {
  test("the schema's output is what the flow gets", async () => {
    const pick = wait("pick", {
      schema: z.object({ n: z.coerce.number(), tag: z.string().default("x") }),
    });
    const f = flow("f", async () => pick());
    const handle = f.run(undefined, { id: "e" });
    await stack.waiting("e");
    await pick.answer("e", { n: "5" });
    expect(await handle.result()).toEqual({ n: 5, tag: "x" });
  });

  test("right after run(): it waits for the start", async () => {
    const pick = wait("pick", { schema: z.number() });
    const handle = flow("f", async () => pick()).run();
    await pick.answer(handle.id, 5);
    expect(await handle.result()).toBe(5);
  });

  test("so does aborting, and every question about the execution", async () => {
    const pick = wait("pick", { schema: z.number() });
    const f = flow("f", async () => pick());
    const { executions } = stack.client;
    expect(await executions.get(f.run().id)).toMatchObject({ flow: "f" });
    expect(await executions.input(f.run().id, { wait: "pick", value: 6 })).toMatchObject({
      callId: "pick:0",
    });
    await executions.cancel(f.run().id);
    expect((await executions.diff(f.run().id, f.run().id)).others).toHaveLength(1);
    const aborted = f.run();
    await pick.abort(aborted.id);
    expect(await failureOf(aborted.result())).toMatchObject({ code: "wait_aborted" });
    const { promise, resolve } = Promise.withResolvers<void>();
    const held = checkpoint("held", () => promise);
    const working = flow("working", async () => held()).run();
    expect(await failureOf(executions.replay(working.id))).toMatchObject({
      message: expect.stringContaining("Replay requires a non-running source execution"),
    });
    resolve();
    await working.result();
  });

  test("a start that fails is not waited for longer, and there is nothing to answer", async () => {
    const pick = wait("pick", { schema: z.number() });
    const f = flow("f", { input: z.number() }, async () => pick());
    const handle = f.run("one" as never);
    expect(await failureOf(pick.answer(handle.id, 5))).toMatchObject({ code: "not_found" });
    expect(await failureOf(handle.result())).toMatchObject({ code: "usage" });
  });

  test("what does not fit is refused with the reason, and the wait stays pending", async () => {
    const pick = wait("pick", { schema: z.object({ n: z.number() }) });
    const f = flow("f", async () => pick());
    const handle = f.run(undefined, { id: "e" });
    await stack.waiting("e");
    expect(await failureOf(pick.answer("e", JSON.parse('{"n":"five"}')))).toMatchObject({
      code: "wait_validation",
      message: expect.stringMatching(/pick:0 of execution e .*schema: .*n.*stays pending/s),
    });
    expect(await stack.waiting("e")).toHaveLength(1);
    await pick.answer("e", { n: 5 });
    expect(await handle.result()).toEqual({ n: 5 });
  });

  test("an asynchronous schema is awaited", async () => {
    const even = z.number().refine(async (n) => n % 2 === 0, "must be even");
    const pick = wait("pick", { schema: even });
    const handle = flow("f", async () => pick()).run(undefined, { id: "e" });
    await stack.waiting("e");
    expect(await failureOf(pick.answer("e", 3))).toMatchObject({ message: /must be even/ });
    await pick.answer("e", 4);
    expect(await handle.result()).toBe(4);
  });

  test("a gate takes no value", async () => {
    const gate = wait("gate");
    const f = flow("f", async () => {
      await gate();
      return "through";
    });
    const handle = f.run(undefined, { id: "e" });
    await stack.waiting("e");
    expect(await failureOf(gate.answer("e", JSON.parse('"yes"')))).toMatchObject({
      code: "wait_validation",
    });
    await gate.answer("e");
    expect(await handle.result()).toBe("through");
  });

  test("an answer before the question is kept for the first one", async () => {
    const first = wait("first");
    const pick = wait("pick", { schema: z.number() });
    const f = flow("f", async () => {
      await first();
      return [await pick(), await pick()];
    });
    const handle = f.run(undefined, { id: "e" });
    await stack.waiting("e");
    await pick.answer("e", 1);
    await first.answer("e");
    await stack.waiting("e");
    await pick.answer("e", 2, { call: "pick:1" });
    expect(await handle.result()).toEqual([1, 2]);
  });

  test("by name to the one that is pending; two pending are told apart by call id", async () => {
    const pick = wait("pick", { schema: z.string() });
    const f = flow("f", async () => Promise.all([pick(), pick({ question: "and then?" })]));
    const handle = f.run(undefined, { id: "e" });
    expect((await stack.waiting("e")).map(({ callId }) => callId)).toEqual(["pick:0", "pick:1"]);
    expect(await failureOf(pick.answer("e", "a"))).toMatchObject({
      code: "state",
      message: expect.stringContaining("pick:0, pick:1"),
    });
    await pick.answer("e", "b", { call: "pick:1" });
    await pick.answer("e", "a");
    expect(await handle.result()).toEqual(["a", "b"]);
  });

  test("the same again is a repeat, another value a conflict", async () => {
    const pick = wait("pick", { schema: z.number() });
    const handle = flow("f", async () => pick()).run(undefined, { id: "e" });
    await stack.waiting("e");
    await pick.answer("e", 1);
    await pick.answer("e", 1);
    expect(await handle.result()).toBe(1);
    await pick.answer("e", 1);
    expect(await failureOf(pick.answer("e", 2))).toMatchObject({ code: "conflict" });
  });

  test("of an execution that is not there, and of a name that is no wait: state errors", async () => {
    const pick = wait("pick", { schema: z.number() });
    expect(await failureOf(pick.answer("nobody", 1))).toMatchObject({ code: "not_found" });
    const work = checkpoint("work", () => 1);
    const f = flow("f", async () => {
      await work();
      return pick();
    });
    const handle = f.run(undefined, { id: "e" });
    await stack.waiting("e");
    expect(await failureOf(pick.answer("e", 1, { call: "work:0" }))).toMatchObject({
      code: "state",
      message: expect.stringContaining("work:0 of execution e is not a wait"),
    });
    await pick.answer("e", 3);
    await handle.result();
  });

  test("on a stack by its name", async () => {
    const pick = wait("pick", { schema: z.number() });
    const error = await failureOf(pick.answer("e", 1, { stack: "elsewhere" }));
    expect(error.message).toMatch(/no stack named "elsewhere"/);
    expect(await failureOf(pick.abort("e", { stack: "elsewhere" }))).toMatchObject({
      code: "usage",
    });
  });
});

describe("abort", () => {
  test("throws wait_aborted at the wait, which the flow may catch", async () => {
    const gate = wait("gate");
    const f = flow("f", async () => gate().catch((error: { code: string }) => error.code));
    const handle = f.run(undefined, { id: "e" });
    await stack.waiting("e");
    await gate.abort("e");
    await gate.abort("e");
    expect(await handle.result()).toBe("wait_aborted");
    expect(await failureOf(gate.answer("e"))).toMatchObject({ code: "conflict" });
  });

  test("uncaught, it fails the execution", async () => {
    const gate = wait("gate");
    const handle = flow("f", async () => gate()).run(undefined, { id: "e" });
    await stack.waiting("e");
    await gate.abort("e", { call: "gate:0" });
    expect(await failureOf(handle.result())).toMatchObject({ code: "wait_aborted" });
  });
});

describe("timeout", () => {
  test("gives undefined once it has passed; the clock of the flow says when", async () => {
    const pick = wait("pick", { schema: z.string(), timeout: "3 days" });
    const f = flow("f", async () => {
      const before = now();
      return { answer: await pick(), days: (now() - before) / 86_400_000 };
    });
    const { answer, days } = await twice(stack, f, undefined, { id: "e" });
    expect(answer).toBeUndefined();
    expect(days).toBeGreaterThanOrEqual(3);
    expect(await failureOf(pick.answer("e", "late"))).toMatchObject({
      code: "conflict",
      message: expect.stringContaining("expired"),
    });
  });

  test("an answer in time wins", async () => {
    const pick = wait("pick", { schema: z.string(), timeout: "3 days" });
    const f = flow("f", async () => pick());
    expect(await twice(stack, f, undefined, { answers: { pick: "now" } })).toBe("now");
  });

  test("several expire each at its own time", async () => {
    const quick = wait("quick", { timeout: "1h" });
    const slow = wait("slow", { timeout: "2h" });
    const f = flow("f", async () => {
      const order: string[] = [];
      await Promise.all([
        slow().then(() => order.push("slow")),
        quick().then(() => order.push("quick")),
      ]);
      return order;
    });
    expect(await twice(stack, f, undefined)).toEqual(["quick", "slow"]);
  });

  test("a bad one is a usage error", () => {
    expect(() => wait("w", { timeout: -1 })).toThrow(/the timeout of wait "w"/);
  });
});

describe("question and metadata", () => {
  test("are shown to whoever answers, of the call before those of the wait", async () => {
    const pick = wait("pick", {
      schema: z.boolean(),
      question: "Fine?",
      metadata: { from: "definition" },
    });
    const f = flow("f", async (call: boolean) =>
      pick(call ? { question: "Really?", metadata: { text: "draft" } } : {}),
    );
    const [plain, special] = [f.run(false), f.run(true)];
    await Promise.all([stack.waiting(plain.id), stack.waiting(special.id)]);
    const { pendingWaits } = stack.client.executions;
    expect(await stack.client.executions.pendingWaits(plain.id)).toMatchObject([
      { question: "Fine?", metadata: { from: "definition" }, schema: { type: "boolean" } },
    ]);
    expect(await pendingWaits.call(stack.client.executions, special.id)).toMatchObject([
      { question: "Really?", metadata: { text: "draft" } },
    ]);
  });

  test("are those at the call, whatever becomes of the objects", async () => {
    const pick = wait("pick", { schema: z.boolean() });
    const f = flow("f", async () => {
      const metadata = { text: "first" };
      const pending = pick({ metadata });
      metadata.text = "changed";
      return pending;
    });
    const handle = f.run();
    await stack.waiting(handle.id);
    expect(await stack.client.executions.pendingWaits(handle.id)).toMatchObject([
      { metadata: { text: "first" } },
    ]);
  });

  test("metadata that cannot be stored rejects the call with its path", async () => {
    const gate = wait("gate");
    const f = flow("f", async () =>
      failureOf(gate({ metadata: { a: [() => 1] } })).then(({ code, message }) => [code, message]),
    );
    expect(await twice(stack, f, undefined)).toEqual([
      "serialization",
      expect.stringContaining("the metadata of gate:0: a[0] is a function"),
    ]);
  });
});

test("a wait that asks again in a loop counts its calls", async () => {
  const more = wait("more", { schema: z.boolean() });
  const f = flow("f", async () => {
    let rounds = 0;
    while (await more()) rounds += 1;
    return rounds;
  });
  const asked: string[] = [];
  const answers = {
    more: ({ callId }: { callId: string }) => asked.push(callId) < 4,
  };
  expect(await twice(stack, f, undefined, { answers })).toBe(3);
  expect(asked).toEqual(["more:0", "more:1", "more:2", "more:3"]);
});

test("overrides name the wait or one of its calls", () => {
  const pick = wait("pick", { schema: z.boolean() });
  expect(pick.name).toBe("pick");
  expect(pick.as(true)).toEqual({
    kind: "override",
    target: "wait.pick",
    field: "output",
    output: true,
  });
  expect(pick.at(3).as(false)).toEqual({
    kind: "override",
    target: "pick:3",
    field: "output",
    output: false,
  });
});

test("outside a flow, and inside a checkpoint, it is a context error", async () => {
  const gate = wait("gate");
  expect(await failureOf(gate())).toMatchObject({
    code: "context",
    message: expect.stringContaining('wait "gate" was called outside a flow'),
  });
  const work = checkpoint("work", async () => (await failureOf(gate())).message);
  const f = flow("f", async () => work());
  expect(await twice(stack, f, undefined)).toMatch(/inside checkpoint "work"/);
});
