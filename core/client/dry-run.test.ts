import { afterEach, beforeEach, expect, test } from "vitest";

import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { registry } from "../engine/definitions.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { llm } from "../primitives/llm.ts";
import { wait } from "../primitives/wait.ts";
import type { DryRun } from "./dry-run.ts";
import type { DryRunOptions } from "./replaying.ts";

let stack: TestStack;

beforeEach(async () => {
  registry.clear();
  stack = await testStack();
});

afterEach(() => stack.close());

const told = (options: Omit<DryRunOptions, "dryRun"> = {}): Promise<DryRun> =>
  stack.client.executions.replay("source", { ...options, dryRun: true });

const whys = ({ calls }: DryRun): string[] =>
  calls.map(({ id, action, why }) => `${id} ${action}: ${why}`);

/** A flow whose body can be exchanged, as a new build does. */
function program(before: (text: string) => Promise<unknown>) {
  const build = { body: before };
  return { build, written: flow("written", async (text: string) => build.body(text)) };
}

test("values that are too large for the journal are read, and those it would write stay in memory", async () => {
  const large = "x".repeat(10_000);
  const copy = checkpoint("copy", (text: string) => text);
  const { written } = program(async (text) => copy(await copy(text)));
  await stack.run(written, large, { id: "source" });
  const keys = async () => (await stack.backend.blobs.list({ prefix: "" })).keys;
  const before = await keys();
  const dry = await told({ with: [copy.at(0).as("y".repeat(10_000))] });
  expect(whys(dry)).toEqual([
    "copy:0 overridden: its output is given",
    expect.stringMatching(
      /^copy:1 executed: its input changed at argument 1 \(recorded "x+…, now "y+…\)$/,
    ),
  ]);
  expect(await keys()).toEqual(before);
});

test("what is skipped says so, and what cannot be is refused: nothing is recorded of it", async () => {
  const first = checkpoint("first", (text: string) => text);
  const second = checkpoint("second", (text: string) => text);
  const third = checkpoint("third", (text: string) => text);
  const { build, written } = program(async (text) => second(await first(text)));
  await stack.run(written, "a", { id: "source" });
  build.body = async (text) => third(await second(await first(text)));
  const dry = await told({ with: [first.as("other")], skip: [second, third] });
  expect(whys(dry)).toEqual([
    "first:0 overridden: its output is given",
    "second:0 reused: it is skipped",
    "third:0 refused: it is to be skipped, and no outcome of it is recorded",
  ]);
  expect(dry).toMatchObject({ end: "unknown", endReason: "what follows third:0 is not known" });
});

test("what is asked or run otherwise is executed for that", async () => {
  const write = checkpoint("write", (text: string) => text);
  const { written } = program(async (text) => [
    await write(text),
    await llm(text, { model: "offline/extract", name: "outline" }),
  ]);
  await stack.run(written, "a", { id: "source" });
  const options = { with: [write.withInput("b"), llm.withModel("outline", "offline/other")] };
  expect(whys(await told(options))).toEqual([
    "write:0 executed: its input is overridden",
    "outline:0 executed: its model is overridden",
  ]);
});

test("a model call that was recorded without its request changed somewhere", async () => {
  const ask = { model: "offline/extract", record: "metadata" } as const;
  const { build, written } = program(async (text) => llm(text, ask));
  await stack.run(written, "a", { id: "source" });
  build.body = async (text) => llm(`${text}!`, ask);
  expect(whys(await told())).toEqual(["llm:0 executed: its input changed"]);
});

test("the end: a flow that fails, and one that awaits what is not recorded", async () => {
  const write = checkpoint("write", (text: string) => text);
  const { build, written } = program(async (text) => write(text));
  await stack.run(written, "a", { id: "source" });
  build.body = async (text) => {
    throw new RangeError(`no ${await write(text)}`);
  };
  expect(await told()).toMatchObject({ end: "failed", endReason: "no a" });
  build.body = async (text) => {
    await write(text);
    return new Promise(() => undefined);
  };
  expect(await told()).toMatchObject({
    end: "unknown",
    endReason: "the flow body awaits something of its own",
  });
});

test("a wait nobody has answered is asked again, and nothing is known of what follows", async () => {
  const approve = wait("approve");
  const write = checkpoint("write", (text: string) => text);
  const { written } = program(async (text) => {
    await approve();
    return write(text);
  });
  written.run("a", { id: "source" });
  await stack.waiting("source");
  const dry = await told();
  expect(whys(dry)).toEqual(["approve:0 asked again: it had no outcome"]);
  expect(dry).toMatchObject({ end: "unknown", endReason: "what follows approve:0 is not known" });
});
