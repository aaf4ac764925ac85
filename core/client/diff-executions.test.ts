import { threadCpuUsage } from "node:process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { scriptedModel } from "../../testing/models.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { registry } from "../engine/definitions.ts";
import { save } from "../primitives/artifact.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { durableModel } from "../primitives/durable-model.ts";
import { flow } from "../primitives/flow.ts";
import { llm } from "../primitives/llm.ts";
import { sleep } from "../primitives/sleep.ts";
import { wait } from "../primitives/wait.ts";
import type { ComparedExecution, DiffRow, ExecutionDiff } from "./diff.ts";
import { deltaOf, usageOf } from "./diff-usage.ts";
import { StoredValue } from "./values.ts";

let stack: TestStack;

beforeEach(async () => {
  registry.clear();
  stack = await testStack();
});

afterEach(() => stack.close());

const diff = (
  ...args: Parameters<TestStack["client"]["executions"]["diff"]>
): Promise<ExecutionDiff> => stack.client.executions.diff(...args);

/** `id state differences`, one for each call. */
function rows({ rows: all }: ExecutionDiff): string[] {
  return all.map((row: DiffRow) =>
    [
      row.id,
      ...row.others.map(({ state, differences }) =>
        differences.length === 0 ? state : `${state} (${differences.join(", ")})`,
      ),
    ].join(": "),
  );
}

const whole = ({
  others: [other],
}: ExecutionDiff): Pick<ComparedExecution, "state" | "differences"> => ({
  state: other!.state,
  differences: other!.differences,
});

/** A flow with calls of every kind, its behaviour set from outside. */
function everything() {
  const settings = {
    suffix: "",
    fails: false,
    note: "a",
    days: 1,
    extra: false,
  };
  const work = checkpoint("work", async (topic: string) => {
    save("note", settings.note);
    if (settings.fails) throw new RangeError(`no ${topic}`);
    await llm(`Say this. ${topic}`, { model: "offline/extract", name: "say" });
    return { topic, text: `about ${topic}${settings.suffix}` };
  });
  const extra = checkpoint("extra", () => 1);
  const ask = wait("ask");
  const inner = flow("inner", async (x: string) => x);
  const outer = flow("outer", async (topic: string) => {
    const done = await work(topic).catch(() => ({ text: "nothing" }));
    await sleep(settings.days * 86_400_000);
    if (settings.extra) await extra();
    await ask({ metadata: done });
    return inner.call(done.text);
  });
  const run = (id: string, topic = "roofs"): Promise<string> =>
    stack.run(outer, topic, { id, answers: { ask: undefined } });
  return { settings, run };
}

const ids = ["work:0", "sleep:0", "ask:0", "inner:0"];

test("two runs of the same match in everything but their times", async () => {
  const { run } = everything();
  await run("a");
  await run("b");
  const found = await diff("a", "b");
  expect(rows(found)).toEqual(ids.map((id) => `${id}: match`));
  expect(found).toMatchObject({
    flow: "outer",
    original: { id: "a", version: "local", status: "completed" },
    others: [{ id: "b", state: "match", differences: [], delta: { totalTokens: 0 } }],
  });
  expect(found.original.createdAt).toBeInstanceOf(Date);
  expect(JSON.stringify(found)).not.toContain("roofs"); // no value is in it
});

test("what each call differs in is named", async () => {
  const { settings, run } = everything();
  await run("a");
  await run("input", "walls");
  const changed = async (id: string, change: Partial<typeof settings>): Promise<string[]> => {
    const before = { ...settings };
    Object.assign(settings, change);
    await run(id);
    Object.assign(settings, before);
    return rows(await diff("a", id));
  };
  expect(rows(await diff("a", "input"))).toEqual([
    "work:0: changed (input, output)",
    "sleep:0: match",
    "ask:0: changed (input)",
    "inner:0: changed (input, output)",
  ]);
  expect(whole(await diff("a", "input"))).toEqual({
    state: "changed",
    differences: ["input", "output"],
  });
  expect(await changed("output", { suffix: "!" })).toEqual([
    "work:0: changed (output)",
    "sleep:0: match",
    "ask:0: changed (input)",
    "inner:0: changed (input, output)",
  ]);
  expect((await changed("status", { fails: true }))[0]).toBe("work:0: changed (status, artifacts)");
  expect((await changed("artifacts", { note: "b" }))[0]).toBe("work:0: changed (artifacts)");
  expect((await changed("days", { days: 2 }))[1]).toBe("sleep:0: changed (input)");
  expect(await changed("extra", { extra: true })).toContain("extra:0: only other");
  expect(rows(await diff("extra", "a"))).toContain("extra:0: only original");
});

test("that another model answered is a difference, though it said the same", async () => {
  const settings = { modelId: "first" };
  const ask = checkpoint("ask", async () => {
    const model = { ...scriptedModel(["Yes."]), modelId: settings.modelId };
    await durableModel(model).doGenerate({ prompt: [] });
  });
  const f = flow("f", async () => ask());
  await stack.run(f, undefined, { id: "a" });
  settings.modelId = "second";
  await stack.run(f, undefined, { id: "b" });
  expect(rows(await diff("a", "b"))).toEqual(["ask:0: changed (model)"]);
});

test("failures are compared without their stacks, and so is how an execution ended", async () => {
  const settings = { message: "no", line: 1 };
  const fails = checkpoint("fails", () => {
    throw settings.line === 1 ? new RangeError(settings.message) : new RangeError(settings.message);
  });
  const f = flow("f", async () => fails());
  const run = async (id: string): Promise<unknown> =>
    stack.run(f, undefined, { id }).catch(() => undefined);
  await run("a");
  settings.line = 2;
  await run("b");
  settings.message = "yes";
  await run("c");
  expect(rows(await diff("a", "b"))).toEqual(["fails:0: match"]);
  expect(whole(await diff("a", "b")).state).toBe("match");
  const found = await diff("a", "c", { values: true });
  expect(rows(found)).toEqual(["fails:0: changed (error)"]);
  expect(whole(found)).toEqual({ state: "changed", differences: ["error"] });
  expect(found.others[0]?.values).toEqual([
    {
      name: "error",
      original: { name: "RangeError", message: "no" },
      other: { name: "RangeError", message: "yes" },
    },
  ]);
});

test("values are read where they differ, and only on demand; large ones are stood in for", async () => {
  const size = { count: 10 };
  const work = checkpoint("work", (_same: string, n: number) => "x".repeat(n));
  const f = flow("f", async () => (await work("same", size.count)).length);
  await stack.run(f, undefined, { id: "a" });
  size.count = 2_000_000;
  await stack.run(f, undefined, { id: "b" });
  const found = await diff("a", "b", { values: true });
  const [row] = found.rows;
  expect(row?.others[0]?.values).toEqual([
    { name: "argument 2", original: 10, other: 2_000_000 },
    { name: "output", original: "x".repeat(10), other: expect.any(StoredValue) as StoredValue },
  ]);
  expect(found.others[0]?.values).toEqual([{ name: "output", original: 10, other: 2_000_000 }]);
  const { blobs } = stack.backend;
  blobs.get = () => Promise.reject(new Error("not to be read"));
  expect(rows(await diff("a", "b"))).toEqual(["work:0: changed (input, output)"]);
});

test("where a call failed in one and not in the other, both outcomes are shown", async () => {
  const { settings, run } = everything();
  await run("a");
  settings.fails = true;
  await run("b");
  const [row] = (await diff("a", "b", { values: true })).rows;
  expect(row?.others[0]?.values).toEqual([
    { name: "output", original: { topic: "roofs", text: "about roofs" } },
    { name: "error", other: { name: "RangeError", message: "no roofs" } },
  ]);
});

test("values that are equal but for the order of their keys match, inline and as blobs", async () => {
  const settings = { flip: false, size: 1 };
  const work = checkpoint("work", (size: number) => {
    const text = "x".repeat(size);
    return settings.flip ? { b: text, a: 1 } : { a: 1, b: text };
  });
  const f = flow("f", async () => {
    await work(1);
    await work(10_000);
    await work(2_000_000);
  });
  await stack.run(f, undefined, { id: "a" });
  settings.flip = true;
  await stack.run(f, undefined, { id: "b" });
  expect(rows(await diff("a", "b"))).toEqual([
    "work:0: match",
    "work:1: match",
    "work:2: changed (output)", // too large to be read for that
  ]);
});

test("several others make a matrix", async () => {
  const { settings, run } = everything();
  await run("a");
  await run("b");
  settings.extra = true;
  await run("c", "walls");
  const found = await diff("a", ["b", "c"]);
  expect(found.others.map(({ id, state }) => [id, state])).toEqual([
    ["b", "match"],
    ["c", "changed"],
  ]);
  expect(rows(found)).toEqual([
    "work:0: match: changed (input, output)",
    "sleep:0: match: match",
    "extra:0: neither: only other",
    "ask:0: match: changed (input)",
    "inner:0: match: changed (input, output)",
  ]);
});

test("an execution that has not ended is compared as far as it is", async () => {
  const gate = wait("gate");
  const f = flow("f", async () => {
    await gate();
    return "done";
  });
  await stack.run(f, undefined, { id: "a", answers: { gate: undefined } });
  await stack.waiting(f.run(undefined, { id: "b" }).id);
  const found = await diff("a", "b");
  expect(rows(found)).toEqual(["gate:0: changed (status)"]);
  expect(whole(found)).toEqual({ state: "changed", differences: ["status"] });
  expect(found.others[0]?.delta).toEqual({});
  expect(found.rows[0]?.others[0]?.delta).toEqual({});
});

test("other flows and unknown executions are refused", async () => {
  const f = flow("f", async () => 1);
  const g = flow("g", async () => 1);
  await stack.run(f, undefined, { id: "a" });
  await stack.run(g, undefined, { id: "b" });
  await expect(diff("a", "b")).rejects.toMatchObject({
    code: "usage",
    message:
      'Execution b is of flow "g", a of flow "f". Only executions of one flow can be compared.',
  });
  await expect(diff("a", "none")).rejects.toMatchObject({ code: "not_found" });
});

test("a figure that one model call does not know is not known of all, and no delta is made of it", () => {
  const record = { resolvedModel: "m", credentialSource: "none", latencyMs: 1 } as const;
  expect(usageOf([])).toEqual({});
  const priced = { ...record, inputTokens: 1, outputTokens: 2, totalTokens: 3, cost: 0.1 };
  const other = { ...record, inputTokens: 1, outputTokens: 2, totalTokens: 3, cost: 0.2 };
  expect(usageOf([priced, other])).toEqual({
    inputTokens: 2,
    outputTokens: 4,
    totalTokens: 6,
    cost: 0.3,
  });
  expect(usageOf([priced, { ...record, inputTokens: 1 }])).toEqual({ inputTokens: 2 });
  expect(
    deltaOf({ durationMs: 5, totalTokens: 3, cost: 0.3 }, { durationMs: 2, cost: 0.1 }),
  ).toEqual({
    durationMs: -3,
    cost: -0.2,
  });
});

test("a thousand calls are compared in well under a second", async () => {
  const round = { shift: 0 };
  const step = checkpoint("step", (text: string) => ({ text, length: text.length }));
  const f = flow("f", async () => {
    for (let index = 0; index < 1000; index++) await step(`text number ${index + round.shift}`);
  });
  await stack.run(f, undefined, { id: "a" });
  round.shift = 1;
  await stack.run(f, undefined, { id: "b" });
  const start = threadCpuUsage();
  const found = await diff("a", "b");
  expect(threadCpuUsage(start).user / 1000).toBeLessThan(1000);
  expect(found.rows.filter(({ others }) => others[0]?.state === "match")).toHaveLength(999);
});
