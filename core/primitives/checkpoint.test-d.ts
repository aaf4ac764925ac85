import { describe, expectTypeOf, test } from "vitest";

import { type Checkpoint, checkpoint } from "./checkpoint.ts";
import { flow } from "./flow.ts";
import type { Override } from "../engine/replay/override.ts";
import { checkpointContext } from "./scope.ts";

describe("arguments and results follow the function", () => {
  test("asynchronous and synchronous work have the same calls", () => {
    const later = checkpoint("later", async (a: string, b?: number) => a.length + (b ?? 0));
    expectTypeOf(later).toEqualTypeOf<Checkpoint<[a: string, b?: number | undefined], number>>();
    expectTypeOf(later).parameters.toEqualTypeOf<[a: string, b?: number | undefined]>();
    expectTypeOf(later("a", 1)).toEqualTypeOf<Promise<number>>();
    const now = checkpoint("now", { retries: 3 }, (a: { x: Date }) => new Map([[a.x, 1n]]));
    expectTypeOf(now({ x: new Date() })).toEqualTypeOf<Promise<Map<Date, bigint>>>();
    const nothing = checkpoint("nothing", () => {});
    expectTypeOf(nothing()).toEqualTypeOf<Promise<void>>();
    const rest = checkpoint("rest", (...all: number[]) => all);
    expectTypeOf(rest(1, 2)).toEqualTypeOf<Promise<number[]>>();
    // @ts-expect-error the argument is a text
    void later(1);
    // @ts-expect-error an argument is missing
    void now();
    // @ts-expect-error there is none
    void nothing(1);
  });

  test("unions, optionals and mixed returns", () => {
    const some = checkpoint("some", (x: number) => (x > 0 ? { ok: true as const, x } : undefined));
    expectTypeOf(some(1)).toEqualTypeOf<Promise<{ ok: true; x: number } | undefined>>();
    const mixed = checkpoint("mixed", (x: boolean) => (x ? Date.now() : Promise.resolve("a")));
    expectTypeOf(mixed(true)).toEqualTypeOf<Promise<number | string>>();
  });

  test("fn is the plain function", () => {
    const add = checkpoint("add", async (a: number, b: number) => a + b);
    expectTypeOf(add.fn).parameters.toEqualTypeOf<[a: number, b: number]>();
    expectTypeOf(add.fn(1, 2)).toEqualTypeOf<number | Promise<number>>();
    expectTypeOf(add.name).toEqualTypeOf<string>();
  });
});

describe("what cannot be stored does not compile", () => {
  class Client {
    readonly url = "";
    send(): number {
      return 1;
    }
  }

  test("as a result", () => {
    // @ts-expect-error a function
    checkpoint("a", () => () => 1);
    // @ts-expect-error a function inside
    checkpoint("a", () => ({ deep: [{ fn: () => 1 }] }));
    // @ts-expect-error an instance with methods
    checkpoint("a", () => new Client());
    // @ts-expect-error an instance with methods, inside and later
    checkpoint("a", async () => ({ client: new Client() }));
    // @ts-expect-error a promise inside
    checkpoint("a", () => ({ later: Promise.resolve(1) }));
    // @ts-expect-error a promise inside, later
    checkpoint("a", async () => [Promise.resolve(1)]);
    // @ts-expect-error a symbol
    checkpoint("a", () => Symbol("a"));
    // @ts-expect-error an iterator
    checkpoint("a", () => [1].values());
    // @ts-expect-error a stream
    checkpoint("a", () => new ReadableStream<string>());
    // @ts-expect-error a weak collection
    checkpoint("a", () => new WeakMap<object, number>());
    // @ts-expect-error a function in a Map
    checkpoint("a", () => new Map([["a", () => 1]]));
    // @ts-expect-error with options too
    checkpoint("a", { retries: 1 }, () => () => 1);
    // @ts-expect-error the result of an API with methods
    checkpoint("a", () => fetch("https://example.com"));
  });

  test("what can is let through", () => {
    checkpoint("a", () => ({
      d: new Date(),
      m: new Map([[1, new Set(["a"])]]),
      b: 1n,
      u: undefined,
    }));
    checkpoint("a", () => new Uint8Array());
    checkpoint("a", () => new Error("as a value"));
    checkpoint("a", (): unknown => 1);
    interface Node {
      readonly value: number;
      readonly children: readonly Node[];
    }
    checkpoint("a", (node: Node) => node);
  });
});

describe("map", () => {
  const square = checkpoint("square", (x: number) => x * x);

  test("gives results, or with settle outcomes", () => {
    expectTypeOf(square.map([1, 2])).toEqualTypeOf<Promise<number[]>>();
    expectTypeOf(square.map(new Set([1]), { concurrency: 2 })).toEqualTypeOf<Promise<number[]>>();
    expectTypeOf(square.map([1], { settle: false })).toEqualTypeOf<Promise<number[]>>();
    expectTypeOf(square.map([1], { settle: true })).toEqualTypeOf<
      Promise<PromiseSettledResult<number>[]>
    >();
    // @ts-expect-error the items are numbers
    void square.map(["a"]);
    // @ts-expect-error an async iterable is none
    void square.map((async function* () {})());
  });

  test("needs a function of one argument", () => {
    const pair = checkpoint("pair", (a: number, b: number) => a + b);
    // @ts-expect-error the second argument would be missing
    void pair.map([1]);
    const optional = checkpoint("optional", (a: number, b: number = 1) => a + b);
    expectTypeOf(optional.map([1])).toEqualTypeOf<Promise<number[]>>();
  });
});

test("overrides take the checkpoint's result", () => {
  const draft = checkpoint("draft", async (topic: string) => ({ text: topic }));
  expectTypeOf(draft.as({ text: "" })).toEqualTypeOf<Override>();
  expectTypeOf(draft.at(1).as({ text: "" })).toEqualTypeOf<Override>();
  // @ts-expect-error it is an object
  draft.as("text");
  // @ts-expect-error the field is a text
  draft.at(0).as({ text: 1 });
  // @ts-expect-error calls are counted
  draft.at("0");
});

test("options", () => {
  checkpoint("a", { retries: { attempts: 3, initialDelay: "500ms", maxDelay: 2000 } }, () => 1);
  checkpoint("a", { cache: { ttl: "2 days" }, type: "tool_call", runtime: "isolated" }, () => 1);
  checkpoint("a", { semantics: "at-most-once", timeout: "1.5h" }, () => 1);
  // @ts-expect-error no unit
  checkpoint("a", { timeout: "5" }, () => 1);
  // @ts-expect-error not a unit
  checkpoint("a", { timeout: "5 fortnights" }, () => 1);
  // @ts-expect-error a policy needs attempts
  checkpoint("a", { retries: { factor: 2 } }, () => 1);
  // @ts-expect-error unknown semantics
  checkpoint("a", { semantics: "exactly-once" }, () => 1);
  // @ts-expect-error an unknown option
  checkpoint("a", { retry: 3 }, () => 1);
});

test("a checkpoint is a helper like another: its promise is the function's", () => {
  const one = checkpoint("one", () => 1);
  flow("f", async () => {
    const [a, b] = await Promise.all([one(), one()]);
    expectTypeOf(a).toEqualTypeOf<number>();
    expectTypeOf(b).toEqualTypeOf<number>();
    return a + b;
  });
});

test("the context's facts", () => {
  expectTypeOf(checkpointContext()).toEqualTypeOf<{
    readonly executionId: string;
    readonly callId: string;
    readonly attempt: number;
    readonly idempotencyKey: string;
    readonly signal: AbortSignal;
    readonly isReplay: boolean;
  }>();
});
