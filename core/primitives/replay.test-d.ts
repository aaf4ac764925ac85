import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import type { DryRun } from "../client/dry-run.ts";
import type { Executions } from "../client/executions.ts";
import type { DryRuns, ReplayResult, ReplayResults } from "../client/replaying.ts";
import type { Override } from "../engine/replay/override.ts";
import { checkpoint } from "./checkpoint.ts";
import { flow } from "./flow.ts";
import type { FlowHandle } from "./handle.ts";
import { llm } from "./llm.ts";
import { wait } from "./wait.ts";

declare const executions: Executions;

/** Compiled, never run. */
function compiled(body: () => void): void {
  void body;
}

test("replay() takes what the handles make, and returns a handle like run()", () => {
  compiled(() => {
    const research = checkpoint("td_research", (topic: string) => topic.length);
    const stricter = checkpoint("td_stricter", (topic: string) => topic.length + 1);
    const shout = checkpoint("td_shout", (text: string) => text);
    const compare = checkpoint("td_compare", (one: string, other: number) => one.length + other);
    const approve = wait("td_approve", { schema: z.boolean() });
    const inner = flow("td_inner", async (n: number) => String(n));
    const review = flow("td_review", async (input: { topic: string; depth: number }) => {
      await inner.call(await research(input.topic));
      return (await approve()) ? input.topic : undefined;
    });

    expectTypeOf(review.replay("id")).toEqualTypeOf<FlowHandle<string | undefined>>();
    expectTypeOf(review.replay(["a", "b"])).toEqualTypeOf<FlowHandle<string | undefined>[]>();
    const all: Override[] = [
      research.as(1),
      research.at(2).as(1),
      research.withInput("topic"),
      research.withCode(stricter),
      compare.withInput("a", 1),
      approve.as(true),
      approve.at(1).as(false),
      inner.as("x"),
      inner.at(0).withInput(1),
      llm.as("outline", { any: "thing" }),
      llm.withModel("outline", "smart"),
      llm.withPrompt("outline", "Write."),
      llm.at("outline", 1).as("x"),
    ];
    review.replay("id", {
      from: research,
      with: all,
      input: { depth: 2 },
      skip: [inner, research.at(0), "sleep:0"],
      id: "mine",
      stack: "prod",
    });
    review.replay("id", { from: approve.at(1) });
    review.replay("id", { from: "research:0" });

    // @ts-expect-error not what research returns
    research.as("text");
    // @ts-expect-error not what research returns
    research.at(0).as("text");
    // @ts-expect-error not what research takes
    research.withInput(5);
    // @ts-expect-error research takes one argument
    research.withInput("a", "b");
    // @ts-expect-error it takes two
    compare.withInput("a");
    // @ts-expect-error returns something else
    research.withCode(shout);
    // @ts-expect-error takes something else
    shout.withCode(compare);
    // @ts-expect-error a function has no name to be recorded by
    research.withCode((topic: string) => topic.length);
    // @ts-expect-error not an answer to it
    approve.as("yes");
    // @ts-expect-error a wait has no input
    approve.withInput(1);
    // @ts-expect-error not what inner returns
    inner.as(5);
    // @ts-expect-error not what inner takes
    inner.withInput("5");
    // @ts-expect-error a model is named by text
    llm.withModel("outline", 5);
    // @ts-expect-error no such field of the input
    review.replay("id", { input: { toppic: "x" } });
    // @ts-expect-error the field has another type
    review.replay("id", { input: { depth: "2" } });
    // @ts-expect-error overrides are made by handles
    review.replay("id", { with: [{ research: 1 }] });
    // @ts-expect-error a plain function is no call
    review.replay("id", { from: () => 1 });
    // @ts-expect-error several replays cannot have one id
    review.replay(["a", "b"], { id: "mine" });
    inner.replay("id", { input: 5 });
    // @ts-expect-error an input that is no object is replaced as a whole
    inner.replay("id", { input: "5" });
  });
});

test("the client's replay() tells one from many and a dry run from a real one", () => {
  compiled(() => {
    expectTypeOf(executions.replay("id")).toEqualTypeOf<Promise<ReplayResult>>();
    expectTypeOf(executions.replay(["id"], { wait: true })).toEqualTypeOf<Promise<ReplayResults>>();
    expectTypeOf(executions.replay("id", { dryRun: true })).toEqualTypeOf<Promise<DryRun>>();
    expectTypeOf(executions.replay(["id"], { dryRun: true })).toEqualTypeOf<Promise<DryRuns>>();
    // @ts-expect-error nothing runs that could be waited for
    void executions.replay("id", { dryRun: true, wait: true });
  });
});
