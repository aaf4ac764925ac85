import { expect, test } from "vitest";
import { z } from "zod";
import { type Override, type ReplayOptions, checkpoint, flow, llm, sleep, wait } from "kitaru";
import { overridable } from "../../core/primitives/replay-target.ts";
import { replayStack } from "./kit.ts";

const research = checkpoint("no_research", (topic: string) => `notes about ${topic}`);
const draft = checkpoint("no_draft", async (notes: string) =>
  llm(`draft ${notes}`, { model: "offline/extract", name: "no_sentence" }),
);
const elsewhere = checkpoint("no_elsewhere", (x: number) => x);
const approve = wait("no_approve", { schema: z.boolean() });
const child = flow("no_child", async (x: number) => x);
const writing = flow("no_writing", async ({ topic }: { topic: string }) => {
  const notes = await research(topic);
  const more = await research(`${topic} again`);
  const text = await draft(notes + more);
  await sleep(1);
  await llm(text, { model: "offline/extract", name: "no_title" });
  return [text, await approve(), await child.call(1)];
});
const empty = flow("no_empty", async () => 1);
const odd = flow("no_odd", async (input: string) => input);

const has =
  "Execution source has: checkpoint.no_research (no_research:0, no_research:1), checkpoint.no_draft (no_draft:0), sleep.sleep (sleep:0), llm.no_title (no_title:0), wait.no_approve (no_approve:0), flow.no_child (no_child:0), llm.no_sentence (inside no_draft:0).";

async function opened() {
  const stack = await replayStack();
  await stack.run(writing, { topic: "roofs" }, { id: "source", answers: { no_approve: true } });
  return stack;
}

/** What is wrong with each, in full. */
const refusals: readonly (readonly [string, ReplayOptions, string, string])[] = [
  [
    "an empty from",
    { from: "" },
    "usage",
    "`from` must be a non-empty selector: a call id such as research:0, or the name of a call.",
  ],
  [
    "a from that means two calls",
    { from: "no_research" },
    "state",
    'Replay selector is ambiguous for checkpoint "no_research": execution source has no_research:0, no_research:1. Use a call id instead.',
  ],
  [
    "the same by its handle",
    { from: research },
    "state",
    'Replay selector is ambiguous for checkpoint "no_research": execution source has no_research:0, no_research:1. Use a call id instead.',
  ],
  [
    "an unknown from",
    { from: "no_reserch" },
    "not_found",
    `Unknown replay selector "no_reserch". ${has}`,
  ],
  [
    "a from of another kind",
    { from: "wait.no_draft" },
    "not_found",
    `Unknown replay selector "wait.no_draft". ${has}`,
  ],
  [
    "a from with a number that was not reached",
    { from: "no_draft:3" },
    "not_found",
    `Unknown replay selector "no_draft:3". ${has} Of that name there is no_draft:0; "no_draft" alone means all of them.`,
  ],
  [
    "a from that is a model call inside a checkpoint",
    { from: "llm.no_sentence" },
    "not_found",
    `Unknown replay selector "llm.no_sentence". ${has} It is asked inside no_draft:0: replay from there.`,
  ],
  [
    "a target of no known form",
    { overrides: { "flows.no_child": 1 } },
    "usage",
    'An override\'s target is a call id such as research:0, a name, or checkpoint.NAME, wait.NAME, llm.NAME, flow.NAME or sleep.NAME. Received: "flows.no_child".',
  ],
  [
    "an empty target",
    { overrides: { "": 1 } },
    "usage",
    'An override\'s target is a call id such as research:0, a name, or checkpoint.NAME, wait.NAME, llm.NAME, flow.NAME or sleep.NAME. Received: "".',
  ],
  [
    "an unknown target",
    { overrides: { "checkpoint.no_reserch": 1 } },
    "not_found",
    `Unknown override target "checkpoint.no_reserch". ${has}`,
  ],
  [
    "a target of another kind",
    { overrides: { "checkpoint.no_approve": true } },
    "state",
    '"checkpoint.no_approve" names a checkpoint, but "no_approve" is a wait. Write wait.no_approve.',
  ],
  [
    "a model call that is not known",
    { with: [llm.as("no_other", "x")] },
    "not_found",
    `Unknown override target "llm.no_other". ${has}`,
  ],
  [
    "an answer that does not fit",
    { overrides: { "wait.no_approve": 1 } },
    "wait_validation",
    "The override of wait.no_approve is not an answer to it: Invalid input: expected boolean, received number",
  ],
  [
    "another input for a wait",
    { with: [overridable("wait.no_approve").withInput(1)] },
    "usage",
    'wait "no_approve" does not expose replayable inputs. Override its output instead.',
  ],
  [
    "another input for a sleep",
    { with: [overridable("sleep:0").withInput(1)] },
    "usage",
    'sleep "sleep" does not expose replayable inputs. Override its output instead.',
  ],
  [
    "a model for a checkpoint",
    { with: [overridable("checkpoint.no_draft").withModel("smart")] },
    "usage",
    "checkpoint.no_draft is not an llm call but a checkpoint, so there is no model to override. Name the llm call inside it: llm.NAME.",
  ],
  [
    "no model",
    { with: [llm.withModel("no_title", " ")] },
    "usage",
    'The model of llm.no_title is overridden with " ". Give an alias or provider/model.',
  ],
  [
    "code for a wait",
    { with: [overridable("wait.no_approve").withCode(elsewhere)] },
    "usage",
    "wait.no_approve is not a checkpoint but a wait, so there is no code to override.",
  ],
  [
    "code for a model call",
    { with: [overridable("llm.no_title").withCode(elsewhere)] },
    "usage",
    "llm.no_title is not a checkpoint but an llm call, so there is no code to override.",
  ],
  [
    "code that is not there",
    { with: [draft.withCode({ name: "no_gone", fn: draft.fn })] },
    "state",
    'Checkpoint "no_gone", whose function stands in for that of checkpoint.no_draft in this replay, is not defined in this program. Import the module that defines it, or name that under `flows` in kitaru.config.ts.',
  ],
  [
    "input and output",
    { with: [draft.withInput("a"), draft.as("b")] },
    "usage",
    "An override of checkpoint.no_draft cannot include both input and output: with its output given it does not run. Leave out one of them.",
  ],
  [
    "output and code",
    { with: [draft.as("b"), draft.withCode(research)] },
    "usage",
    "An override of checkpoint.no_draft cannot include both output and code: with its output given it does not run. Leave out one of them.",
  ],
  [
    "two of one field",
    { with: [draft.as("a")], overrides: { no_draft: "b" } },
    "usage",
    "checkpoint.no_draft has two overrides of its output. Leave out one of them.",
  ],
  [
    "skip and override",
    { skip: [draft], with: [draft.as("a")] },
    "usage",
    'Cannot skip and override "no_draft" (skip: checkpoint.no_draft, override: checkpoint.no_draft). Leave out one of them.',
  ],
  [
    "skip of one that is overridden with its name",
    { skip: ["no_draft:0"], with: [draft.as("a")] },
    "usage",
    'Cannot skip and override "no_draft" (skip: no_draft:0, override: checkpoint.no_draft). Leave out one of them.',
  ],
  [
    "skip of all, one of which is overridden",
    { skip: [research], with: [research.at(1).as("a")] },
    "usage",
    'Cannot skip and override "no_research" (skip: checkpoint.no_research, override: no_research:1). Leave out one of them.',
  ],
  [
    "skip of a wait",
    { skip: [approve] },
    "usage",
    'Cannot skip wait "no_approve": an answer is not carried over to content it was not given for. Give the answer with an override of wait.no_approve.',
  ],
  [
    "skip of what is not known",
    { skip: ["no_reserch"] },
    "not_found",
    `Unknown skip target "no_reserch". ${has}`,
  ],
  [
    "a skip of no known form",
    { skip: ["a b"] },
    "usage",
    '`skip` is a call id such as research:0, a name, or checkpoint.NAME, wait.NAME, llm.NAME, flow.NAME or sleep.NAME. Received: "a b".',
  ],
];

test.for(refusals)("%s is refused", async ([, options, code, message]) => {
  const stack = await opened();
  for (const how of [options, { ...options, dryRun: true as const }]) {
    const failing = stack.client.executions.replay("source", how);
    await expect(failing).rejects.toMatchObject({ code, message });
  }
  expect(await stack.client.executions.list()).toHaveLength(2); // the source and its child
});

test("what never ran cannot be replayed from anywhere, and a running execution not at all", async () => {
  const stack = await opened();
  await stack.run(empty, undefined, { id: "empty" });
  const { executions } = stack.client;
  await expect(executions.replay("empty", { from: "a" })).rejects.toThrow(
    "Execution empty has no calls, so there is nothing to replay from. Leave out `from`.",
  );
  await expect(executions.replay("empty", { overrides: { nothing: 1 } })).rejects.toThrow(
    'Unknown override target "nothing". Execution empty has: no calls.',
  );
  const release = Promise.withResolvers<number>();
  const held = checkpoint("no_held", () => release.promise);
  const running = flow("no_running", async () => held()).run(undefined, { id: "running" });
  await running.started;
  await expect(executions.replay("running")).rejects.toThrow(
    /^Replay requires a non-running source execution: running is (?:running|queued)\. Replay it once it has ended or waits\.$/,
  );
  release.resolve(1);
  expect(await stack.finish(running)).toBe(1);
});

test("fields are laid over fields only", async () => {
  const stack = await opened();
  expect(await stack.run(odd, "text", { id: "odd" })).toBe("text");
  expect(await stack.finish(odd.replay("odd", { input: "other" }))).toBe("other");
  for (const [id, input] of [["odd", { a: 1 }]] as const)
    await expect(stack.client.executions.replay(id, { input })).rejects.toThrow(
      "The input of execution odd must be an object of fields for fields to be laid over it; it is text. Give a whole input of that kind, or start a new execution.",
    );
  const nulled = await stack.client.executions.replay("source", { input: { topic: null } });
  expect((await stack.client.executions.get(nulled.id)).input).toEqual({ topic: null });
});

test("a source that was deleted meanwhile is said to be gone", async () => {
  const stack = await opened();
  const handle = writing.replay("source", { from: approve });
  expect(await stack.asks(handle.id)).toEqual(["no_approve:0"]);
  const { records } = stack.view.backend;
  for (const { partition, sort, version } of (await records.list({ partition: "exec/source" }))
    .items)
    await records.delete({ partition, sort }, version);
  const result = handle.result();
  await approve.answer(handle.id, true);
  await expect(result).rejects.toThrow(
    /^Execution source, which is being replayed, is not there any more: 0 of \d+ journal entries are left\. Replay another execution\.$/,
  );
});

test("an override given as one is taken as it is; one that is untyped is an answer", async () => {
  const stack = await replayStack();
  const dated = wait("no_dated", { schema: z.string().transform((text) => text.length) });
  const counting = flow("no_counting", async () => dated());
  await stack.run(counting, undefined, { id: "source", answers: { no_dated: "four" } });
  const typed: Override = dated.as(7);
  expect(await stack.finish(counting.replay("source", { with: [typed] }))).toBe(7);
  const untyped = await stack.client.executions.replay("source", {
    overrides: { no_dated: "five!" },
    wait: true,
  });
  expect(await untyped.handle.result()).toBe(5);
});

test("what only a child flow calls is refused with where it is and what to do instead", async () => {
  const stack = await replayStack();
  const deep = checkpoint("no_deep", async (x: number) =>
    llm(`deep ${x}`, { model: "offline/extract", name: "no_thought" }),
  );
  const inner = flow("no_inner", async (x: number) => [await deep(x), await elsewhere(x)]);
  const middle = flow("no_middle", async (x: number) => [await inner.call(x), await approve()]);
  const outer = flow("no_outer", async (x: number) => [
    await elsewhere(x),
    await middle.call(x),
    await middle.call(x + 1),
  ]);
  await stack.run(outer, 1, { id: "outer", answers: { no_approve: true } });
  const { replay } = stack.client.executions;
  const replaying = replay.bind(stack.client.executions);
  const within = (text: string, execution: string): string =>
    `"${text}" names a call of the child flow no_middle:0 (execution ${execution}), and what a replay is given reaches the calls of the replayed execution alone. Give the child's result with an override of no_middle:0, or replay the child by itself: \`kitaru executions replay ${execution}\`.`;
  const inside = "outer/no_middle:0";
  for (const [how, message] of [
    [{ with: [approve.as(false)] }, within("wait.no_approve", inside)],
    [{ overrides: { "no_approve:0": false } }, within("no_approve:0", inside)],
    [{ with: [deep.as("x")] }, within("checkpoint.no_deep", `${inside}/no_inner:0`)],
    [{ with: [llm.as("no_thought", "x")] }, within("llm.no_thought", `${inside}/no_inner:0`)],
    [{ skip: [inner] }, within("flow.no_inner", inside)],
    [{ from: deep }, within("checkpoint.no_deep", `${inside}/no_inner:0`)],
  ] as const) {
    await expect(replaying("outer", how)).rejects.toMatchObject({ code: "state", message });
    await expect(replaying("outer", { ...how, dryRun: true })).rejects.toMatchObject({ message });
  }
  // what both call is meant for the replayed execution, and what nobody calls is reported as before
  const both = outer.replay("outer", { with: [elsewhere.as(5), research.as("x")] });
  await stack.finish(both, { answers: { no_approve: true } });
  expect(await stack.dispositions(both.id)).toMatchObject({ "no_elsewhere:0": "overridden" });
});

test("a dry run says of a child flow that runs that its calls are decided then", async () => {
  const stack = await opened();
  const told = await stack.client.executions.replay("source", { from: child, dryRun: true });
  expect(told.calls.at(-1)).toMatchObject({
    id: "no_child:0",
    action: "executed",
    why: "from here on; which of its own calls it takes over shows when it runs",
  });
});
