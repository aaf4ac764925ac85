import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";

import { registry } from "../engine/definitions.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { checkpoint } from "./checkpoint.ts";
import { flow } from "./flow.ts";
import { llm } from "./llm.ts";
import { wait } from "./wait.ts";

let stack: TestStack;
beforeEach(async () => {
  registry.clear();
  stack = await testStack({ config: {} });
});
afterEach(() => stack.close());

/** As a program without types, or one that puts options together elsewhere, gives them. */
const given = (options: unknown): never => options as never;
const work = (): number => 1;

test.each<[string, () => unknown, string]>([
  [
    "a checkpoint",
    () => checkpoint("c", given({ retries: 1, semantic: "at-most-once" }), work),
    'checkpoint "c": "semantic" is not an option. Options: retries, timeout, runtime, memoryMb, storageMb, type, cache, semantics.',
  ],
  [
    "retries",
    () => checkpoint("c", { retries: given({ attempts: 2, delay: "1s" }) }, work),
    'checkpoint "c": retries: "delay" is not an option. Options: attempts, initialDelay, factor, maxDelay, jitter, retryIf.',
  ],
  [
    "a flow",
    () => flow("f", given({ timout: "1h" }), async () => 1),
    'flow "f": "timout" is not an option. Options: input, stack, retries, timeout, cache.',
  ],
  [
    "a wait",
    () => wait("w", given({ expires: "1h" })),
    'wait "w": "expires" is not an option. Options: schema, question, metadata, timeout.',
  ],
  [
    "no object",
    () => wait("w", given("1h")),
    'wait "w": the options must be an object, not "1h". Options: schema, question, metadata, timeout.',
  ],
  [
    "nothing",
    () => checkpoint("c", given(null), work),
    'checkpoint "c": the options must be an object, not null. Options: retries, timeout, runtime, memoryMb, storageMb, type, cache, semantics.',
  ],
  [
    "a schema that is none",
    () => wait("w", { schema: given({ type: "string" }) }),
    'wait "w": `schema` must be a Standard Schema, as zod, valibot or arktype make them, not another object.',
  ],
  [
    "an input that is none",
    () => flow("f", { input: given(z.object) }, async () => 1),
    'flow "f": `input` must be a Standard Schema, as zod, valibot or arktype make them, not a function.',
  ],
])("a mistake in the options of %s is a usage error at the definition", (_, define, message) => {
  expect(define).toThrow(expect.objectContaining({ code: "usage", message }));
});

test("and of calls where they are made", async () => {
  const c = checkpoint("c", work);
  const ask = wait("ask");
  const f = flow("f", async (how: string) => {
    if (how === "map") return c.map([], given({ concurency: 2 }));
    if (how === "list") return c.map([], given([2]));
    if (how === "llm") return llm("Hi", given({ modle: "fast" }));
    return Promise.all(["one"].map(given(ask))); // what map() hands over beside the item
  });
  const failure = async (how: string): Promise<unknown> =>
    f
      .run(how)
      .result()
      .catch(({ message }: Error) => message);
  expect(await Promise.all(["map", "list", "llm", "wait"].map(failure))).toEqual([
    'map(): "concurency" is not an option. Options: concurrency, settle.',
    "map(): the options must be an object, not an array. Options: concurrency, settle.",
    expect.stringMatching(/^llm\(\): "modle" is not an option\. Options: model, /),
    'wait "ask": the options must be an object, not "one". Options: question, metadata.',
  ]);
});

test("and of starts and answers", async () => {
  const ask = wait("ask");
  const f = flow("f", async () => ask());
  await expect(f.run(undefined, given({ ID: "e" })).started).rejects.toThrow(
    'f.run(): "ID" is not an option. Options: id, stack.',
  );
  await expect(f.invoke(undefined, given({ versoin: 2 })).started).rejects.toThrow(
    'f.invoke(): "versoin" is not an option. Options: id, stack, version, tag.',
  );
  const handle = f.run();
  await handle.started;
  await expect(handle.result(given({ timeoutMs: 5 }))).rejects.toThrow(
    'result(): "timeoutMs" is not an option. Options: timeout.',
  );
  await expect(f.replay(handle.id, given({ overrides: [] })).result()).rejects.toThrow(
    'f.replay(): "overrides" is not an option. Options: id, stack, from, with, input, skip.',
  );
  await expect(ask.answer(handle.id, undefined, given("ask:0"))).rejects.toThrow(
    'ask.answer(): the options must be an object, not "ask:0". Options: call, stack.',
  );
  await expect(ask.abort(handle.id, given({ calls: 1 }))).rejects.toThrow(
    'ask.abort(): "calls" is not an option.',
  );
});
