import { describe, expectTypeOf, test } from "vitest";
import type { NotStorable, Storable } from "./codec.ts";

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
type Anything = ReturnType<typeof JSON.parse>; // `any`
type UserId = string & { readonly brand: unique symbol };
interface Tree {
  readonly value: number;
  readonly children: readonly Tree[];
  readonly parent?: Tree;
}
interface Order {
  id: UserId;
  at: Date;
  total: bigint;
  note?: string;
  lines: readonly { sku: string; count: number }[];
  tags: Set<string>;
  prices: Map<string, number>;
  raw: Uint8Array;
  failed: Error | undefined;
}
class Client {
  readonly url = "";
  send(): void {}
}

/** As `checkpoint` declares it: the result has to be storable. */
declare function checkpoint<A extends unknown[], R>(
  name: string,
  fn: (
    ...args: A
  ) => R & ([Awaited<R>] extends [Storable<Awaited<R>>] ? unknown : Storable<Awaited<R>>),
): (...args: A) => Promise<Awaited<R>>;

type Keeps<T> = [T] extends [Storable<T>] ? true : false;

describe("Storable keeps", () => {
  test("what can be stored", () => {
    expectTypeOf<
      Keeps<string | number | boolean | bigint | null | undefined>
    >().toEqualTypeOf<true>();
    expectTypeOf<Keeps<void>>().toEqualTypeOf<true>();
    expectTypeOf<Keeps<UserId>>().toEqualTypeOf<true>();
    expectTypeOf<Keeps<Order>>().toEqualTypeOf<true>();
    expectTypeOf<Keeps<[number, string?, ...Date[]]>>().toEqualTypeOf<true>();
    expectTypeOf<Keeps<Map<Order, Set<URL>>>>().toEqualTypeOf<true>();
    expectTypeOf<
      Keeps<Buffer | Float64Array | ArrayBuffer | DataView | RegExp>
    >().toEqualTypeOf<true>();
    expectTypeOf<Keeps<PromiseSettledResult<Order>[]>>().toEqualTypeOf<true>();
    expectTypeOf<Keeps<{ kind: "a"; a: 1 } | { kind: "b"; b: 2 }>>().toEqualTypeOf<true>();
    expectTypeOf<Keeps<Record<string, unknown>>>().toEqualTypeOf<true>();
  });

  test("recursive types", () => {
    expectTypeOf<Keeps<Json>>().toEqualTypeOf<true>();
    expectTypeOf<Keeps<Tree>>().toEqualTypeOf<true>();
    expectTypeOf<Keeps<Map<string, Tree>>>().toEqualTypeOf<true>();
  });

  test("what the types do not tell", () => {
    expectTypeOf<Storable<unknown>>().toEqualTypeOf<unknown>();
    expectTypeOf<Storable<Anything>>().toBeAny();
    expectTypeOf<Storable<never>>().toEqualTypeOf<never>();
    expectTypeOf<Keeps<object>>().toEqualTypeOf<true>();
    expectTypeOf<Keeps<{ a: unknown; b: Anything }>>().toEqualTypeOf<true>();
  });
});

describe("Storable refuses", () => {
  test("with the reason", () => {
    expectTypeOf<Storable<() => void>>().toEqualTypeOf<
      NotStorable<"functions cannot be stored; return plain data">
    >();
    expectTypeOf<Storable<{ a: Promise<1> }>>().toEqualTypeOf<{
      a: NotStorable<"promises cannot be stored; await it first">;
    }>();
  });

  test("functions, symbols and what holds them", () => {
    expectTypeOf<Keeps<typeof Client>>().toEqualTypeOf<false>();
    expectTypeOf<Keeps<Client>>().toEqualTypeOf<false>();
    expectTypeOf<Keeps<{ list: { send?: () => void }[] }>>().toEqualTypeOf<false>();
    expectTypeOf<Keeps<readonly [1, symbol]>>().toEqualTypeOf<false>();
    expectTypeOf<Keeps<string | (() => void)>>().toEqualTypeOf<false>();
    expectTypeOf<Keeps<Map<string, () => void>>>().toEqualTypeOf<false>();
    expectTypeOf<Keeps<Set<Client>>>().toEqualTypeOf<false>();
  });

  test("what lives", () => {
    expectTypeOf<Keeps<Promise<string>>>().toEqualTypeOf<false>();
    expectTypeOf<Keeps<WeakMap<object, string>>>().toEqualTypeOf<false>();
    expectTypeOf<Keeps<ReadableStream<string>>>().toEqualTypeOf<false>();
    expectTypeOf<Keeps<AsyncGenerator<string>>>().toEqualTypeOf<false>();
    expectTypeOf<Keeps<Generator<string>>>().toEqualTypeOf<false>();
    expectTypeOf<Keeps<{ response: Response }>>().toEqualTypeOf<false>();
  });
});

test("a checkpoint of what cannot be stored does not compile", () => {
  const fine = checkpoint("fine", async (id: UserId) => ({
    id,
    at: new Date(),
    tree: [] as Tree[],
  }));
  expectTypeOf(fine).returns.resolves.toEqualTypeOf<{ id: UserId; at: Date; tree: Tree[] }>();
  const nothing = checkpoint("nothing", () => {});
  expectTypeOf(nothing).returns.resolves.toEqualTypeOf<void>();
  // @ts-expect-error -- functions cannot be stored
  checkpoint("function", () => ({ client: { send: () => 1 } }));
  // @ts-expect-error -- class instances with methods cannot be stored
  checkpoint("class", async () => new Client());
  // @ts-expect-error -- streams cannot be stored
  checkpoint("stream", async () => new ReadableStream<string>());
});
