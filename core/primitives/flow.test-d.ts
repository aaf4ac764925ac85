import { describe, expectTypeOf, test } from "vitest";
import { z } from "zod";

import type { Deployment } from "../deployments/deployment.ts";
import type { ExecutionStatus } from "../journal/head.ts";
import { type Flow, flow } from "./flow.ts";
import type { FlowHandle } from "./handle.ts";

describe("input and result", () => {
  test("come from the function", () => {
    const f = flow("f", async ({ topic }: { topic: string }) => topic.length);
    expectTypeOf(f).toEqualTypeOf<Flow<{ topic: string }, number>>();
    expectTypeOf(f.run({ topic: "" })).toEqualTypeOf<FlowHandle<number>>();
    expectTypeOf(f.call({ topic: "" })).toEqualTypeOf<Promise<number>>();
    f.run({ topic: "" }, { id: "a", stack: "local" });
    // @ts-expect-error an input is needed
    f.run();
    // @ts-expect-error an input is needed
    void f.call();
    // @ts-expect-error the topic is a text
    f.run({ topic: 1 });
    // @ts-expect-error it is refused when it runs, and here
    f({ topic: "" });
  });

  test("none is needed where the function takes none", () => {
    const f = flow("f", async () => "done");
    expectTypeOf(f).toEqualTypeOf<Flow<void, string>>();
    expectTypeOf(f.run()).toEqualTypeOf<FlowHandle<string>>();
    expectTypeOf(f.call()).toEqualTypeOf<Promise<string>>();
    f.run(undefined, { id: "a" });
    // @ts-expect-error it takes none
    f.run(1);
    // @ts-expect-error it takes none
    void f.call("a");
  });

  test("a synchronous body, nothing at all, and a union", () => {
    expectTypeOf(flow("f", () => 1).run()).toEqualTypeOf<FlowHandle<number>>();
    expectTypeOf(flow("f", async () => {}).run()).toEqualTypeOf<FlowHandle<void>>();
    const union = flow("f", async (x: string | number) => x);
    expectTypeOf(union.run(1)).toEqualTypeOf<FlowHandle<string | number>>();
    const optional = flow("f", async (x?: number) => x ?? 0);
    expectTypeOf(optional.run(1)).toEqualTypeOf<FlowHandle<number>>();
    optional.run();
    optional.run(undefined, { id: "a" });
    void optional.call();
  });

  test("with options the function still says it", () => {
    const f = flow("f", { retries: 2, timeout: "1h", cache: true }, async (x: number) => `${x}`);
    expectTypeOf(f).toEqualTypeOf<Flow<number, string>>();
    const none = flow("f", { stack: "prod" }, async () => 1);
    expectTypeOf(none.run()).toEqualTypeOf<FlowHandle<number>>();
  });

  test("a schema says what a start takes and what the body gets", () => {
    const input = z.object({ n: z.string().transform(Number), tag: z.string().default("x") });
    const f = flow("f", { input }, async (x) => {
      expectTypeOf(x).toEqualTypeOf<{ n: number; tag: string }>();
      return x.n;
    });
    expectTypeOf(f).toEqualTypeOf<Flow<{ n: string; tag?: string | undefined }, number>>();
    f.run({ n: "1" });
    void f.call({ n: "1", tag: "y" });
    // @ts-expect-error the schema takes a text
    f.run({ n: 1 });
    // @ts-expect-error the body gets a number
    flow("f", { input }, async (x: { n: string }) => x.n);
  });
});

describe("what cannot be stored does not compile", () => {
  test("as a result", () => {
    // @ts-expect-error a function
    flow("f", async () => () => 1);
    // @ts-expect-error a function inside
    flow("f", async () => ({ send: () => 1 }));
    // @ts-expect-error a promise inside
    flow("f", async () => ({ later: Promise.resolve(1) }));
    // @ts-expect-error with options too
    flow("f", { retries: 1 }, async () => () => 1);
    // @ts-expect-error with a schema too
    flow("f", { input: z.string() }, async () => () => 1);
  });
});

describe("the handle", () => {
  test("is typed by the result", () => {
    const handle = flow("f", async () => ({ a: 1 })).run();
    expectTypeOf(handle.id).toEqualTypeOf<string>();
    expectTypeOf(handle.started).toEqualTypeOf<Promise<void>>();
    expectTypeOf(handle.status()).toEqualTypeOf<Promise<ExecutionStatus>>();
    expectTypeOf(handle.result()).toEqualTypeOf<Promise<{ a: number }>>();
    expectTypeOf(handle.result({ timeout: "1 minute" })).toEqualTypeOf<Promise<{ a: number }>>();
    expectTypeOf(handle.get()).toEqualTypeOf<Promise<{ a: number }>>();
    expectTypeOf(handle.cancel()).toEqualTypeOf<Promise<void>>();
    expectTypeOf<ExecutionStatus>().toEqualTypeOf<
      "queued" | "running" | "waiting" | "completed" | "failed" | "cancelled"
    >();
  });
});

test("options", () => {
  // @ts-expect-error an unknown option
  flow("f", { retry: 1 }, async () => 1);
  // @ts-expect-error not a duration
  flow("f", { timeout: "soon" }, async () => 1);
  // @ts-expect-error a schema is meant
  flow("f", { input: "text" }, async () => 1);
});

test("a deployed version is invoked with what the flow takes, and chosen once", () => {
  const sized = flow("f", async ({ n }: { n: number }) => `${n}`);
  expectTypeOf(sized.invoke({ n: 1 }).result()).toEqualTypeOf<Promise<string>>();
  sized.invoke({ n: 1 }, { tag: "canary", id: "x", stack: "prod" });
  sized.invoke({ n: 1 }, { version: 2 });
  // @ts-expect-error another input
  sized.invoke({ n: "1" });
  // @ts-expect-error no input
  sized.invoke();
  // @ts-expect-error both at once
  sized.invoke({ n: 1 }, { tag: "canary", version: 2 });
  // @ts-expect-error a version is a number
  sized.invoke({ n: 1 }, { version: "2" });
  flow("g", async () => 1).invoke();
  expectTypeOf(sized.deploy({ entry: import.meta.url })).toEqualTypeOf<Promise<Deployment>>();
  // @ts-expect-error its module must be named
  void sized.deploy({ tag: "canary" });
});

test("recursion needs only a result type", () => {
  const sum = flow("sum", async (n: number): Promise<number> =>
    n === 0 ? 0 : n + (await sum.call(n - 1)),
  );
  expectTypeOf(sum.call(1)).toEqualTypeOf<Promise<number>>();
});
