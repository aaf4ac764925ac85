import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { registry } from "../engine/definitions.ts";
import type { ModelAlias } from "../ports/model.ts";
import { save } from "../primitives/artifact.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { llm } from "../primitives/llm.ts";
import { wait } from "../primitives/wait.ts";
import type { DiffCell, ExecutionDiff } from "./diff.ts";

const priced: ModelAlias = { model: "offline/extract", price: { input: 1_000_000, output: 0 } };

let stack: TestStack;

beforeEach(async () => {
  registry.clear();
  stack = await testStack({ config: { models: { priced } } });
});

afterEach(() => stack.close());

function program() {
  const research = checkpoint("research", (topic: string) => `notes about ${topic}`);
  const draft = checkpoint("draft", async (notes: string) => {
    save("notes", notes);
    return llm(`Draft from ${notes}`, { model: "priced", name: "write" });
  });
  const side = checkpoint("side", async (topic: string) =>
    llm(`Aside on ${topic}`, { model: "priced", name: "aside" }),
  );
  const approve = wait("approve");
  const writing = flow("writing", async (topic: string) => {
    const notes = await research(topic);
    const [text] = await Promise.all([draft(notes), side(topic)]);
    await approve({ metadata: { text } });
    return `PUBLISHED: ${text}`;
  });
  return { research, draft, side, approve, writing };
}

const answers = { approve: undefined };

/** `id state differences disposition`, one for each call of the first other. */
function rows({ rows: all }: ExecutionDiff): string[] {
  return all.map(({ id, others: [cell] }) => `${id} ${textOf(cell!)}`);
}

function textOf({ state, differences, call }: DiffCell): string {
  return [state, ...differences, call?.disposition].join(" ").trim();
}

test("a control replay matches in everything, and its cost is all reused", async () => {
  const { writing } = program();
  await stack.run(writing, "kitaru", { id: "source", answers });
  await stack.finish(writing.replay("source"), { answers });
  const found = await stack.client.executions.diff("source");
  expect(rows(found)).toEqual([
    "research:0 match reused",
    "draft:0 match reused",
    "side:0 match reused",
    "approve:0 match reused",
  ]);
  const [replay] = found.others;
  expect(replay).toMatchObject({
    replayOf: "source",
    state: "match",
    delta: { totalTokens: 0, cost: 0 },
  });
  expect(replay?.reused).toEqual({
    inputTokens: replay?.inputTokens,
    outputTokens: replay?.outputTokens,
    totalTokens: replay?.totalTokens,
    cost: replay?.cost,
  });
  expect(replay?.cost).toBeGreaterThan(0);
  expect(found.rows.every(({ others: [cell] }) => cell?.delta.durationMs === undefined)).toBe(true);
});

test("an override is told apart from what follows of it, and from what does not", async () => {
  const { writing, research } = program();
  await stack.run(writing, "kitaru", { id: "source", answers });
  const handle = writing.replay("source", { with: [research.as("edited notes for kitaru")] });
  await stack.finish(handle, { answers });
  const found = await stack.client.executions.diff("source", handle.id, { values: true });
  expect(rows(found)).toEqual([
    "research:0 changed output overridden",
    "draft:0 changed input output artifacts executed",
    "side:0 match reused",
    "approve:0 changed input executed",
  ]);
  const [replay] = found.others;
  expect(replay?.reused?.totalTokens).toBe(found.rows[2]?.original?.totalTokens);
  expect(replay?.delta.cost).toBe(1); // one more word in the prompt
  expect(found.rows[0]?.others[0]?.values).toEqual([
    { name: "output", original: "notes about kitaru", other: "edited notes for kitaru" },
  ]);
  expect(replay?.values).toEqual([
    {
      name: "output",
      original: "PUBLISHED: Draft from notes about kitaru",
      other: "PUBLISHED: Draft from edited notes for kitaru",
    },
  ]);
});

test("an overridden model answer is no model, and makes no figure unknown", async () => {
  const { writing } = program();
  await stack.run(writing, "kitaru", { id: "source", answers });
  const handle = writing.replay("source", { with: [llm.as("write", "A better draft")] });
  await stack.finish(handle, { answers });
  const found = await stack.client.executions.diff("source", handle.id);
  const draft = found.rows[1];
  expect(rows(found)[1]).toBe("draft:0 changed output executed");
  expect([draft?.original?.totalTokens, draft?.others[0]?.call?.totalTokens]).toEqual([
    expect.any(Number),
    undefined,
  ]);
  expect(found.others[0]?.totalTokens).toBe(found.rows[2]?.original?.totalTokens);
});

test("the direct replays of an execution make a matrix, oldest first", async () => {
  const { writing, research } = program();
  await stack.run(writing, "kitaru", { id: "source", answers });
  const ids: string[] = [];
  for (const notes of ["one", "two", "three"]) {
    const handle = writing.replay("source", { with: [research.as(notes)] });
    await stack.finish(handle, { answers });
    ids.push(handle.id);
    await stack.clock.advanceBy("1 second");
  }
  const again = writing.replay(ids[0] ?? "");
  await stack.finish(again, { answers });
  const { executions } = stack.client;
  const found = await executions.diff("source");
  expect(found.others.map(({ id }) => id)).toEqual(ids);
  expect(found.rows[0]?.others.map(({ state }) => state)).toEqual([
    "changed",
    "changed",
    "changed",
  ]);
  const listed = await executions.list({ replayOf: ids[0] ?? "" });
  expect(listed.map(({ id }) => id)).toEqual([again.id]);
  expect(await executions.list({ replayOf: "source", limit: 2 })).toHaveLength(2);
  expect(await executions.list({ replayOf: "source", flow: "other" })).toEqual([]);
  await expect(executions.list({ replayOf: "none" })).rejects.toMatchObject({ code: "not_found" });
  await expect(executions.diff(again.id)).rejects.toThrow(
    /has no replay on this stack to compare it with/,
  );
});

test("a call that took over another one's outcome is compared with that", async () => {
  const step = checkpoint("step", (x: number) => x * 10);
  const plan = { first: 1 };
  const steps = flow("steps", async () => {
    for (let x = plan.first; x < 4; x++) await step(x);
  });
  await stack.run(steps, undefined, { id: "source" });
  plan.first = 0;
  const handle = steps.replay("source");
  await stack.finish(handle);
  const { rows: found } = await stack.client.executions.diff("source", handle.id);
  expect(
    found.map(({ id, others: [cell] }) => [
      id,
      cell?.state,
      cell?.call?.id,
      cell?.call?.disposition,
    ]),
  ).toEqual([
    ["step:0", "only other", "step:0", "executed"],
    ["step:0", "match", "step:1", "reused"],
    ["step:1", "match", "step:2", "reused"],
    ["step:2", "match", "step:3", "reused"],
  ]);
});

test("the graph of a replay keeps the order of what it took over", async () => {
  const { writing, draft } = program();
  await stack.run(writing, "kitaru", { id: "source", answers });
  const order = async (id: string): Promise<string[]> => {
    const { edges } = await stack.client.executions.graph(id);
    return edges.filter(({ kind }) => kind === "order").map(({ from, to }) => `${from} ${to}`);
  };
  const control = writing.replay("source");
  await stack.finish(control, { answers });
  const graph = await stack.client.executions.graph(control.id);
  expect(graph.replayOf).toBe("source");
  expect(graph.edges.filter(({ kind }) => kind === "value")).toEqual(
    (await stack.client.executions.graph("source")).edges.filter(({ kind }) => kind === "value"),
  );
  const partly = writing.replay("source", { from: draft });
  await stack.finish(partly, { answers });
  expect(await order(partly.id)).toEqual(await order("source"));
});
