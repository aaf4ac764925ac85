import { threadCpuUsage } from "node:process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { registry } from "../engine/definitions.ts";
import { load, save } from "../primitives/artifact.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { llm } from "../primitives/llm.ts";
import { sleep } from "../primitives/sleep.ts";
import { wait } from "../primitives/wait.ts";
import type { ExecutionGraph, GraphEdge } from "./graph.ts";

let stack: TestStack;

beforeEach(async () => {
  registry.clear();
  stack = await testStack();
});

afterEach(() => stack.close());

/** `from.path -> to argument`, one line for each value, and the other edges by kind. */
function lines({ edges }: ExecutionGraph): string[] {
  return edges.flatMap(({ from, to, kind, values }: GraphEdge) =>
    values === undefined
      ? [`${from} ${kind} ${to}`]
      : values.map((value) => `${from}${value.from} -> ${to} ${value.to}`.trim()),
  );
}

test("values are followed through calls of every kind", async () => {
  const research = checkpoint("research", (topic: string) => {
    save("sources", [`about ${topic}`]);
    return { topic, brief: `A brief about ${topic}.` };
  });
  const publish = checkpoint("publish", (text: string, channel: string) => `${channel}: ${text}`);
  const approve = wait("approve");
  const inner = flow("inner", async (text: string) => `${text} And more.`);
  const outer = flow("outer", async (input: { topic: string; channel: string }) => {
    const { brief, topic } = await research(input.topic);
    const text = await llm(brief, { model: "offline/extract", name: "outline" });
    const longer = await inner.call(text);
    await sleep("1 day");
    await approve({ question: topic, metadata: { longer } });
    return { url: await publish(longer, input.channel) };
  });
  await stack.run(
    outer,
    { topic: "Cloud roofs", channel: "newsletter" },
    { id: "e1", answers: { approve: undefined } },
  );
  const graph = await stack.client.executions.graph("e1");
  expect(lines(graph)).toEqual([
    "inner:0 child e1/inner:0",
    "input.topic -> research:0 argument 1",
    "research:0.brief -> outline:0 prompt[0].content",
    "outline:0 -> inner:0 input",
    "input.topic -> approve:0 question",
    "inner:0 -> approve:0 metadata.longer",
    "inner:0 -> publish:0 argument 1",
    "input.channel -> publish:0 argument 2",
    "publish:0 -> result .url",
    "inner:0 order sleep:0",
    "sleep:0 order approve:0",
    "approve:0 order publish:0",
  ]);
  expect(graph).toMatchObject({
    id: "e1",
    flow: "outer",
    version: "local",
    status: "completed",
    opaque: 0,
  });
  expect(graph.nodes).toMatchObject([
    { kind: "input", id: "input" },
    {
      kind: "checkpoint",
      id: "research:0",
      status: "completed",
      disposition: "executed",
      saved: ["sources"],
    },
    { kind: "llm", id: "outline:0" },
    { kind: "flow", id: "inner:0" },
    { kind: "sleep", id: "sleep:0" },
    { kind: "wait", id: "approve:0" },
    { kind: "checkpoint", id: "publish:0" },
    { kind: "result", id: "result" },
    { kind: "child", id: "e1/inner:0", executionId: "e1/inner:0" },
  ]);
  const child = await stack.client.executions.graph("e1/inner:0");
  expect(lines(child)).toEqual(["e1 child input", "input order result"]);
  expect(child.nodes.at(-1)).toEqual({ kind: "parent", id: "e1", executionId: "e1" });
});

test("what load() read is followed across executions, once however often it was read", async () => {
  const write = checkpoint("write", () => {
    save("notes", "first");
    return { words: 1 };
  });
  const writer = flow("writer", async () => write());
  let tries = 0;
  const read = checkpoint(
    "read",
    { retries: { attempts: 1, initialDelay: 1 } },
    async (id: string) => {
      const notes = await load(id, "notes");
      await load(id, "notes");
      await load(id, "write");
      if (++tries === 1) throw new Error("again");
      save("own", notes);
      return "read";
    },
  );
  const reread = checkpoint("reread", (id: string) => load(id, "own"));
  const reader = flow("reader", async (id: string) => {
    await read(id);
    return reread("e2");
  });
  await stack.run(writer, undefined, { id: "e1" });
  await stack.run(reader, "e1", { id: "e2" });
  const graph = await stack.client.executions.graph("e2");
  expect(lines(graph)).toEqual([
    "e1/write:0/notes load read:0",
    "e1/write:0 load read:0",
    "read:0 load reread:0",
    "reread:0 -> result",
    "input order read:0",
  ]);
  expect(graph.nodes.filter(({ kind }) => kind === "artifact")).toEqual([
    { kind: "artifact", id: "e1/write:0/notes", executionId: "e1" },
    { kind: "artifact", id: "e1/write:0", executionId: "e1" },
  ]);
  const logs = await stack.client.executions.logs("e2", { call: "read:0" });
  expect(logs.map(({ message }) => message)).toContain("loaded notes of e1/write:0");
});

test("who has loaded from an execution is found among all executions of the stack", async () => {
  const write = checkpoint("write", () => save("notes", "first"));
  const writer = flow("writer", async () => write());
  const read = checkpoint("read", (id: string) => load(id, "notes"));
  const reader = flow("reader", async (id: string) => read(id));
  const gate = wait("gate");
  const resting = flow("resting", async (id: string) => {
    await read(id);
    await gate();
  });
  await stack.run(writer, undefined, { id: "e1" });
  await stack.run(writer, undefined, { id: "e2" });
  await stack.run(reader, "e1", { id: "e3" });
  await stack.run(reader, "e2", { id: "e4" });
  await stack.waiting(resting.run("e1", { id: "e5" }).id);
  const { executions } = stack.client;
  expect(lines(await executions.graph("e1"))).toHaveLength(2);
  const graph = await executions.graph("e1", { readers: true });
  expect(graph.nodes.filter(({ kind }) => kind === "reader")).toEqual([
    { kind: "reader", id: "e3/read:0", executionId: "e3" },
    { kind: "reader", id: "e5/read:0", executionId: "e5" },
  ]);
  expect(lines(graph).slice(-2)).toEqual(["write:0 load e3/read:0", "write:0 load e5/read:0"]);
});

test("what ran side by side is not put in order, what came after it is", async () => {
  const step = checkpoint("step", (x: number) => x);
  const last = checkpoint("last", () => "end");
  const f = flow("f", async () => {
    await Promise.all([step(1), step(2), step(3)]);
    return last();
  });
  await stack.run(f, undefined, { id: "e1" });
  expect(lines(await stack.client.executions.graph("e1"))).toEqual([
    "input order step:0",
    "input order step:1",
    "input order step:2",
    "step:2 order last:0",
    "last:0 order result",
  ]);
});

test("a call that failed has no value; a retry forgets what it voids; what is open is shown", async () => {
  let works = false;
  const flaky = checkpoint("flaky", (text: string) => {
    if (!works) throw new Error("not yet");
    return `${text} worked`;
  });
  const gate = wait("gate");
  const f = flow("f", async (text: string) => {
    const found = await flaky(text);
    await gate({ metadata: found });
    return found;
  });
  const handle = f.run("some text", { id: "e1" });
  await handle.result().catch(() => undefined);
  const failed = await stack.client.executions.graph("e1");
  expect(lines(failed)).toEqual(["input -> flaky:0 argument 1"]);
  expect(failed.nodes).toMatchObject([{ id: "input" }, { id: "flaky:0", status: "failed" }]);
  works = true;
  await stack.client.executions.retry("e1");
  await stack.waiting("e1");
  const open = await stack.client.executions.graph("e1");
  expect(lines(open)).toEqual(["input -> flaky:0 argument 1", "flaky:0 -> gate:0 metadata"]);
  expect(open.nodes.at(-1)).toMatchObject({ id: "gate:0", status: "waiting" });
});

test("large values are compared by their hash, and never read", async () => {
  const text = "x".repeat(3_000_000);
  const make = checkpoint("make", () => text);
  const pack = checkpoint("pack", (content: string) => ({ content, size: content.length }));
  const small = checkpoint("small", () => ({ title: "A title", body: "y".repeat(10_000) }));
  const use = checkpoint(
    "use",
    (packed: object, title: string) => Object.keys(packed).length + title.length,
  );
  const f = flow("f", async () => {
    const packed = await pack(await make());
    const { title } = await small();
    return use(packed, title);
  });
  await stack.run(f, undefined, { id: "e1" });
  const { blobs } = stack.backend;
  const read: number[] = [];
  const get = blobs.get.bind(blobs);
  blobs.get = async (key) => {
    const found = await get(key);
    read.push(found?.byteLength ?? 0);
    return found;
  };
  const graph = await stack.client.executions.graph("e1");
  expect(lines(graph).filter((line) => line.includes("->"))).toEqual([
    "make:0 -> pack:0 argument 1",
    "pack:0 -> use:0 argument 1",
    "small:0.title -> use:0 argument 2",
  ]);
  expect(graph.opaque).toBe(1);
  expect(Math.max(...read)).toBeLessThan(11_000);
  blobs.get = async () => undefined;
  expect(lines(await stack.client.executions.graph("e1"))).not.toContain(
    "small:0.title -> use:0 argument 2",
  );
});

test("a thousand calls are drawn in well under a second", async () => {
  const step = checkpoint("step", (state: { round: number; text: string }) => ({
    round: state.round + 1,
    text: `text of round ${state.round + 1}`,
  }));
  const f = flow("f", async () => {
    let state = { round: 0, text: "text of round 0" };
    for (let round = 0; round < 1000; round++) state = await step(state);
    return state;
  });
  await stack.run(f, undefined, { id: "e1" });
  const start = threadCpuUsage();
  const { edges } = await stack.client.executions.graph("e1");
  expect(edges.filter(({ kind }) => kind === "value")).toHaveLength(1000);
  expect(threadCpuUsage(start).user / 1000).toBeLessThan(1000);
});
