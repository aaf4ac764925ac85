import { afterEach, beforeEach, expect, test } from "vitest";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText } from "ai";
import { z } from "zod";
import { checkpoint, durableModel, flow, llm, wait } from "kitaru";
import { type ModelServer, modelServer } from "../../testing/model-server.ts";
import { type ReplayStack, replayStack } from "./kit.ts";

let server: ModelServer;
let stack: ReplayStack;
/** How often the world has changed: answers tell it. */
let round = 0;

beforeEach(async () => {
  round = 0;
  server = await modelServer({
    respond: ({ prompt, body }) => ({
      text:
        prompt.startsWith("bad") && round === 0
          ? "no JSON"
          : `${String(body["model"])} ${round}: ${prompt}`,
      inputTokens: 10,
      outputTokens: 5,
    }),
  });
  const alias = (model: string) => ({
    model: `openai-compatible/${model}`,
    baseUrl: `${server.url}/v1`,
    price: { input: 1_000_000, output: 0 },
  });
  stack = await replayStack({
    config: { models: { fast: alias("small"), smart: alias("large") } },
  });
});
afterEach(async () => {
  await stack.close();
  await server.close();
});

/** Prompts of the requests since the last look. */
function asked(): string[] {
  const prompts = server.requests.slice(seen).map((request) => request.prompt);
  seen = server.requests.length;
  return prompts;
}
let seen = 0;
beforeEach(() => {
  seen = 0;
});

const outline = checkpoint("llm_outline", (topic: string) =>
  llm(`outline ${topic}`, { model: "fast", name: "outline" }),
);
const chapter = checkpoint("llm_chapter", async (outlined: string, style: string) => {
  const first = await llm(`first of ${outlined}`, { model: "fast", name: "first" });
  const second = await llm(`second in ${style}`, { model: "fast", name: "second" });
  return `${first} | ${second}`;
});
const book = flow("llm_book", async ({ topic, style }: { topic: string; style: string }) => {
  const title = await llm(`title of ${topic}`, { model: "fast", name: "title" });
  const outlined = await outline(topic);
  const written = await chapter(outlined, style);
  return { title, written };
});
const input = { topic: "roofs", style: "verse" };

test("model calls whose input is unchanged are never sent again", async () => {
  await stack.run(book, input, { id: "source" });
  expect(asked()).toHaveLength(4);
  await stack.finish(book.replay("source"));
  expect(asked()).toEqual([]);
  round = 1;
  const styled = book.replay("source", { input: { style: "prose" } });
  expect(await stack.finish(styled)).toEqual({
    title: "small 0: title of roofs",
    written: "small 0: first of small 0: outline roofs | small 1: second in prose",
  });
  expect(asked()).toEqual(["second in prose"]);
  expect(stack.ran(styled.id)).toEqual(["llm_chapter:0"]);
});

test("usage says what was paid now and what was not paid again", async () => {
  await stack.run(book, input, { id: "source" });
  const source = await stack.client.executions.get("source");
  expect(source.usage).toMatchObject({ totalTokens: 60, cost: 40, reused: { totalTokens: 0 } });
  const handle = book.replay("source", { input: { style: "prose" } });
  await stack.finish(handle);
  const { usage, calls } = await stack.client.executions.get(handle.id);
  expect(usage).toMatchObject({
    totalTokens: 60,
    incurred: { totalTokens: 15, cost: 10 },
    reused: { totalTokens: 45, cost: 30 },
  });
  const inside = calls.find((call) => call.id === "llm_chapter:0")?.llm ?? [];
  expect(inside.map((one) => [one.name, one.usage])).toEqual([
    ["first", "reused"],
    ["second", "incurred"],
  ]);
  expect(calls.find((call) => call.id === "title:0")?.llm[0]?.usage).toBe("reused");
  expect(calls.map((call) => call.artifacts.length)).toEqual([2, 2, 4]); // prompts and responses come along
});

test("from a call on, model calls are asked for real", async () => {
  await stack.run(book, input, { id: "source" });
  asked();
  round = 1;
  await stack.finish(book.replay("source", { from: outline }));
  expect(asked()).toEqual(["outline roofs", "first of small 1: outline roofs", "second in verse"]);
  await stack.finish(book.replay("source", { from: "llm.title" }));
  expect(asked()).toHaveLength(4);
});

test("an answer is overridden wherever its call is: in the flow, and inside a checkpoint that then runs", async () => {
  await stack.run(book, input, { id: "source" });
  asked();
  const titled = book.replay("source", { with: [llm.at("title", 0).as("A title")] });
  expect(await stack.finish(titled)).toMatchObject({ title: "A title" });
  expect(asked()).toEqual([]);
  const handle = book.replay("source", { with: [llm.as("first", "FIRST")] });
  expect(await stack.finish(handle)).toMatchObject({ written: "FIRST | small 0: second in verse" });
  expect(asked()).toEqual([]);
  expect(stack.ran(handle.id)).toEqual(["llm_chapter:0"]);
  const { calls, replay, usage } = await stack.client.executions.get(handle.id);
  expect(replay?.overrides).toEqual([
    { target: "llm.first", field: "output", calls: ["llm_chapter:0"] },
  ]);
  expect(calls.at(-1)?.llm).toMatchObject([
    { name: "first", overridden: true, resolvedModel: "override" },
    { name: "second", usage: "reused" },
  ]);
  expect(usage.incurred.totalTokens).toBe(0);
});

test("another model, or another prompt, answers; what does not depend on it is taken over", async () => {
  await stack.run(book, input, { id: "source" });
  asked();
  const handle = book.replay("source", { with: [llm.withModel("outline", "smart")] });
  expect(await stack.finish(handle)).toMatchObject({
    title: "small 0: title of roofs",
    written: "small 0: first of large 0: outline roofs | small 0: second in verse",
  });
  expect(asked()).toEqual(["outline roofs", "first of large 0: outline roofs"]);
  const prompted = book.replay("source", {
    with: [llm.at("title", 0).withModel("smart"), llm.at("title", 0).withPrompt("a name")],
  });
  expect(await stack.finish(prompted)).toMatchObject({ title: "large 0: a name" });
  const inner = book.replay("source", { with: [llm.withPrompt("second", "in rhyme")] });
  expect(await stack.finish(inner)).toMatchObject({
    written: "small 0: first of small 0: outline roofs | small 0: in rhyme",
  });
  expect(asked()).toEqual(["a name", "in rhyme"]);
  const { replay } = await stack.client.executions.get(prompted.id);
  expect(replay?.overrides.map(({ field, calls }) => [field, calls])).toEqual([
    ["model", ["title:0"]],
    ["input", ["title:0"]],
  ]);
});

test("after a throw the answer it may be about is asked anew, the others are taken over", async () => {
  const parsing = checkpoint("llm_parsing", async (topic: string) => {
    const good = await llm(`good ${topic}`, { model: "fast" });
    const bad = await llm(`bad ${topic}`, { model: "fast" });
    if (bad === "no JSON") throw new SyntaxError(bad);
    return `${good} ${bad}`;
  });
  const parsed = flow("llm_parsed", async () => parsing("a"));
  await expect(stack.run(parsed, undefined, { id: "source" })).rejects.toThrow("no JSON");
  expect(asked()).toEqual(["good a", "bad a"]);
  round = 1;
  const handle = parsed.replay("source");
  expect(await stack.finish(handle)).toBe("small 0: good a small 1: bad a");
  expect(asked()).toEqual(["bad a"]);
});

test("a checkpoint that is tried again in a replay does not take the same answer twice", async () => {
  let tries = 0;
  const picky = checkpoint(
    "llm_picky",
    { retries: { attempts: 2, initialDelay: 1 } },
    async (x: number) => {
      const kept = await llm("kept", { model: "fast" });
      const doubted = await llm("doubted", { model: "fast" });
      tries += 1;
      if (x > 0 && tries < 3) throw new Error("doubt");
      return `${kept} ${doubted}`;
    },
  );
  const picking = flow("llm_picking", async ({ x }: { x: number }) => picky(x));
  await stack.run(picking, { x: 0 }, { id: "source" });
  expect(asked()).toEqual(["kept", "doubted"]);
  tries = 0;
  round = 1;
  const handle = picking.replay("source", { input: { x: 1 } });
  // the first attempt takes both over and throws; of "doubted" only the later ones are sent
  expect(await stack.finish(handle)).toBe("small 0: kept small 1: doubted");
  expect(new Set(asked())).toEqual(new Set(["doubted"]));
  const entries = await stack.journal(handle.id);
  const numbers = entries.flatMap((entry) => (entry.t === "llm" ? [entry.i] : []));
  expect(new Set(numbers).size).toBe(numbers.length);
});

test("what a replay took over before a model was asked stays taken over when the checkpoint is tried again", async () => {
  let tries = 0;
  const careful = checkpoint(
    "llm_careful",
    { retries: { attempts: 1, initialDelay: 1 } },
    async (x: number) => {
      const kept = await llm("kept", { model: "fast" });
      const fresh = await llm(`fresh ${x}`, { model: "fast" });
      tries += 1;
      if (x > 0 && tries < 2) throw new Error("doubt");
      return `${kept} ${fresh}`;
    },
  );
  const caring = flow("llm_caring", async ({ x }: { x: number }) => careful(x));
  await stack.run(caring, { x: 0 }, { id: "source" });
  asked();
  tries = 0;
  const handle = caring.replay("source", { input: { x: 1 } });
  await stack.finish(handle);
  expect(asked()).toEqual(["fresh 1", "fresh 1"]);
});

test("a child flow that runs again does not send its unchanged model calls again", async () => {
  const agree = wait("llm_agree", { schema: z.boolean() });
  const child = flow("llm_child", async ({ n }: { n: number }) => {
    const same = await llm("the same", { model: "fast" });
    const other = await outline(String(n));
    return [same, other, await agree()];
  });
  const parent = flow("llm_parent", async ({ n }: { n: number }) => child.call({ n }));
  const answers = { llm_agree: true };
  await stack.run(parent, { n: 1 }, { id: "source", answers });
  expect(asked()).toEqual(["the same", "outline 1"]);
  const handle = parent.replay("source", { input: { n: 2 } });
  const asks = await stack.waiting(handle.id);
  expect(asks.map((one) => one.callId)).toEqual(["llm_agree:0"]); // its input is other content
  await stack.finish(handle, { answers });
  expect(asked()).toEqual(["outline 2"]);
  const inside = await stack.client.executions.get(`${handle.id}/llm_child:0`);
  expect(inside.replayOf).toBe("source/llm_child:0");
  await stack.finish(parent.replay("source", { from: child }), { answers });
  expect(asked()).toEqual(["the same", "outline 1"]);
  // of a replay that had taken the child over, the child it was taken from is replayed
  const same = parent.replay("source");
  await stack.finish(same);
  await stack.finish(parent.replay(same.id, { input: { n: 3 } }), { answers });
  expect(asked()).toEqual(["outline 3"]);
});

test("a map with an item put in front sends only the new one", async () => {
  const mapped = flow("llm_mapped", async ({ items }: { items: string[] }) => outline.map(items));
  const items = Array.from({ length: 50 }, (_, n) => `item ${n}`);
  await stack.run(mapped, { items }, { id: "source" });
  asked();
  const handle = mapped.replay("source", { input: { items: ["new", ...items] } });
  expect(await stack.finish(handle)).toHaveLength(51);
  expect(asked()).toEqual(["outline new"]);
  const { calls } = await stack.client.executions.get(handle.id);
  expect(calls.filter((call) => call.disposition === "reused")).toHaveLength(50);
});

test("durableModel() is taken over like llm(); its model cannot be overridden, its output can", async () => {
  const provider = createOpenAICompatible({ name: "test", baseURL: `${server.url}/v1` });
  const model = durableModel(provider("small"), { name: "agent" });
  const agent = flow("llm_agent", async ({ x }: { x: number }) => {
    const { text } = await generateText({ model, prompt: "work" });
    return [text, x];
  });
  await stack.run(agent, { x: 1 }, { id: "source" });
  expect(asked()).toEqual(["work"]);
  expect(await stack.finish(agent.replay("source", { input: { x: 2 } }))).toEqual([
    "small 0: work",
    2,
  ]);
  expect(asked()).toEqual([]);
  const refused = agent.replay("source", { with: [llm.withModel("agent", "smart")] });
  await expect(stack.finish(refused)).rejects.toThrow(
    'The llm call "agent" does not expose a replayable model: it was made by durableModel()',
  );
});
