import { afterEach, beforeEach, describe, expect, test } from "vitest";

import type { LlmCall, LlmRunContext } from "../../ports/model.ts";
import { checkpoint } from "../../primitives/checkpoint.ts";
import { failureOf, twice } from "../../primitives/fixtures/twice.ts";
import { flow } from "../../primitives/flow.ts";
import { checkpointContext, recordLlm } from "../../primitives/scope.ts";
import { sleep } from "../../primitives/sleep.ts";
import { type TestStack, testStack } from "../../../testing/test-stack.ts";
import { registry } from "../definitions.ts";

let stack: TestStack;
/** Prompts that were paid for, in order. */
let paid: string[];
let contexts: LlmRunContext[];
beforeEach(async () => {
  registry.clear();
  paid = [];
  contexts = [];
  stack = await testStack({ config: { models: { m: "offline/extract" } } });
});
afterEach(() => stack.close());

const tick = (ms = 1): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A model that answers with the prompt and how often it has answered. */
function ask(prompt: string, options: Partial<LlmCall> = {}): Promise<unknown> {
  return recordLlm({
    name: "llm",
    identity: { prompt },
    run: async (context) => {
      contexts.push(context);
      paid.push(prompt);
      return {
        value: `${prompt} #${paid.length}`,
        prompt: [{ role: "user", content: prompt }],
        response: { text: "…" },
        record: {
          requestedModel: "m",
          resolvedModel: "offline/extract",
          credentialSource: "none",
          latencyMs: 5,
          inputTokens: 10,
          outputTokens: 2,
          totalTokens: 12,
        },
      };
    },
    ...options,
  });
}

describe("in a flow body", () => {
  test("is a call of its own, with what it cost, and is paid for once", async () => {
    const f = flow("f", async () => {
      const first = await ask("a");
      await sleep("1 day");
      return [first, await ask("b", { name: "outline" })];
    });
    expect(await twice(stack, f, undefined, { id: "e" })).toEqual(["a #1", "b #2"]);
    expect(paid).toEqual(["a", "b"]);
    const entries = (await stack.journal("e")).filter((entry) => entry.t === "completed");
    expect(entries[0]).toMatchObject({
      id: "llm:0",
      kind: "llm",
      llm: { resolvedModel: "offline/extract", totalTokens: 12 },
      prompt: { v: [{ role: "user", content: "a" }] },
      response: { v: { text: "…" } },
    });
    expect(entries.at(-1)).toMatchObject({ id: "outline:0", name: "outline" });
    const { usage } = await stack.client.executions.get("e");
    expect(usage).toMatchObject({ totalTokens: 24, incurred: { totalTokens: 24 } });
  });

  test("gets the stack's models and secrets and a signal", async () => {
    await stack.run(
      flow("f", async () => ask("a")),
      undefined,
    );
    expect(contexts[0]).toMatchObject({ models: { aliases: { m: { model: "offline/extract" } } } });
    expect(contexts[0]?.secrets).toBe(stack.backend.secrets);
    expect(contexts[0]?.signal.aborted).toBe(false);
  });

  test("its failure is recorded and thrown again", async () => {
    let tries = 0;
    const failing = {
      run: async () => {
        tries += 1;
        throw new RangeError("overloaded");
      },
    };
    const f = flow("f", async () => {
      const { message } = await failureOf(ask("a", failing));
      await sleep("1 day");
      return message;
    });
    expect(await twice(stack, f, undefined)).toBe("overloaded");
    expect(tries).toBe(1);
  });

  test("an answer that cannot be stored is its failure", async () => {
    const odd = {
      run: async () => ({
        value: { fn: () => 1 },
        record: { resolvedModel: "x", credentialSource: "none" as const, latencyMs: 1 },
      }),
    };
    const error = await failureOf(
      twice(
        stack,
        flow("f", async () => ask("a", odd)),
        undefined,
      ),
    );
    expect(error).toMatchObject({
      code: "serialization",
      message: expect.stringContaining("llm:0: fn is a function"),
    });
  });

  test("one that lost a race is aborted and leaves nothing", async () => {
    const seen: LlmRunContext[] = [];
    const slow: Partial<LlmCall> = {
      name: "slow",
      run: (context) => {
        seen.push(context);
        return new Promise((_, reject) => {
          context.signal.addEventListener("abort", () => reject(context.signal.reason as Error));
        });
      },
    };
    const f = flow("f", async () => Promise.race([ask("a", slow), ask("b")]));
    expect(await stack.run(f, undefined, { id: "e" })).toBe("b #1");
    await stack.clock.settle();
    expect(seen[0]?.signal.aborted).toBe(true);
    const journal = await stack.journal("e");
    expect(journal.some((entry) => "name" in entry && entry.name === "slow")).toBe(false);
  });
});

describe("in a checkpoint", () => {
  const once = { retries: { attempts: 1, initialDelay: 1 } };

  test("is a record under its call, made before the checkpoint goes on", async () => {
    let before = 0;
    const work = checkpoint("work", async () => {
      const answers = [await ask("a"), await ask("b")];
      before = (await stack.journal("e")).filter(({ t }) => t === "llm").length;
      return answers;
    });
    expect(
      await twice(
        stack,
        flow("f", async () => work()),
        undefined,
        { id: "e" },
      ),
    ).toEqual(["a #1", "b #2"]);
    expect(before).toBe(2);
    const llms = (await stack.journal("e")).filter((entry) => entry.t === "llm");
    expect(llms).toMatchObject([
      { id: "work:0", no: 1, i: 0 },
      { id: "work:0", no: 1, i: 1 },
    ]);
  });

  test("after a throw, all answers but the last are used again", async () => {
    const work = checkpoint("work", once, async () => {
      const answers = [await ask("a"), await ask("b"), await ask("c")];
      if (checkpointContext().attempt === 1) throw new Error("the last answer would not do");
      return answers;
    });
    const f = flow("f", async () => work());
    expect(await twice(stack, f, undefined)).toEqual(["a #1", "b #2", "c #4"]);
    expect(paid).toEqual(["a", "b", "c", "c"]);
  });

  test("after two throws, the last answer of each attempt is suspect", async () => {
    const work = checkpoint("work", { retries: { attempts: 2, initialDelay: 1 } }, async () => {
      const answers = [await ask("a"), await ask("b")];
      if (checkpointContext().attempt < 3) throw new Error("no");
      return answers;
    });
    await twice(
      stack,
      flow("f", async () => work()),
      undefined,
    );
    expect(paid).toEqual(["a", "b", "b", "b"]);
  });

  test("after a timeout, all are used again", async () => {
    const work = checkpoint("work", { ...once, timeout: 1000 }, async () => {
      const answers = [await ask("a"), await ask("b")];
      if (checkpointContext().attempt === 1) await new Promise(() => undefined);
      return answers;
    });
    const f = flow("f", async () => work());
    expect(await twice(stack, f, undefined)).toEqual(["a #1", "b #2"]);
    expect(paid).toEqual(["a", "b"]);
  });

  test("after a crash, all are used again", async () => {
    const hanging = Promise.withResolvers<void>();
    let attempts = 0;
    const work = checkpoint("work", async () => {
      const answers = [await ask("a"), await ask("b")];
      attempts += 1;
      if (attempts === 1) {
        hanging.resolve();
        await new Promise(() => undefined);
      }
      return answers;
    });
    const handle = flow("f", async () => work()).run(undefined, { id: "e" });
    await hanging.promise;
    await stack.crash();
    expect(await stack.finish(handle)).toEqual(["a #1", "b #2"]);
    expect(paid).toEqual(["a", "b"]);
  });

  test("only for the same request, and each answer serves once", async () => {
    const work = checkpoint("work", once, async () => {
      const { attempt } = checkpointContext();
      const answers = [
        await ask("same"),
        await ask("same"),
        await ask(attempt === 1 ? "old" : "new"),
        await ask("named", { name: attempt === 1 ? "one" : "two" }),
      ];
      if (attempt === 1) throw new Error("again");
      return [...answers, await ask("same")];
    });
    const f = flow("f", async () => work());
    expect(await twice(stack, f, undefined)).toEqual([
      "same #1",
      "same #2",
      "new #5",
      "named #6",
      "same #7",
    ]);
  });

  test("a failed one is not recorded, and the checkpoint may catch it", async () => {
    const work = checkpoint("work", async () => {
      const failing = { run: () => Promise.reject(new Error("overloaded")) };
      const { message } = await failureOf(ask("a", failing));
      return [message, await ask("b")];
    });
    const f = flow("f", async () => work());
    expect(await twice(stack, f, undefined, { id: "e" })).toEqual(["overloaded", "b #1"]);
    expect((await stack.journal("e")).filter(({ t }) => t === "llm")).toHaveLength(1);
  });

  test("after the attempt has ended it is a context error, and is not paid for", async () => {
    let late: Promise<unknown> | undefined;
    const work = checkpoint("work", () => {
      late = tick(5).then(() => failureOf(ask("late")));
    });
    await stack.run(
      flow("f", async () => work()),
      undefined,
    );
    expect(await late).toMatchObject({ code: "context" });
    expect(paid).toEqual([]);
  });
});

describe("in an isolated checkpoint", () => {
  test("the rules are the same, and its answers are in the journal", async () => {
    const work = checkpoint(
      "work",
      { runtime: "isolated", retries: { attempts: 1, initialDelay: 1 } },
      async () => {
        const answers = [await ask("a"), await ask("b")];
        if (checkpointContext().attempt === 1) throw new Error("again");
        return answers;
      },
    );
    const f = flow("f", async () => work());
    expect(await twice(stack, f, undefined, { id: "e" })).toEqual(["a #1", "b #3"]);
    const llms = (await stack.journal("e")).filter((entry) => entry.t === "llm");
    expect(llms.map(({ no, i }) => [no, i])).toEqual([
      [1, 0],
      [1, 1],
      [2, 2],
    ]);
  });
});

test("outside a flow it is a context error", async () => {
  expect(await failureOf(Promise.resolve().then(() => ask("a")))).toMatchObject({
    code: "context",
  });
});
