import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { registry } from "../engine/definitions.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { type ArtifactType, load, log, save } from "./artifact.ts";
import { checkpoint } from "./checkpoint.ts";
import { failureOf, twice } from "./fixtures/twice.ts";
import { flow } from "./flow.ts";
import { checkpointContext } from "./scope.ts";
import { sleep } from "./sleep.ts";

let stack: TestStack;
beforeEach(async () => {
  registry.clear();
  stack = await testStack({ config: {} });
});
afterEach(() => stack.close());

const artifactsOf = async (id: string): Promise<unknown[]> =>
  (await stack.client.artifacts.list(id)).map(({ name, type }) => [name, type]);
/** Load in a flow of its own; what load() throws is thrown. */
async function loaded(id: string, name: string): Promise<unknown> {
  readers += 1;
  const read = checkpoint(`read_${readers}`, () => load(id, name));
  return stack.run(
    flow(`reader_${readers}`, async () => read()),
    undefined,
  );
}
let readers = 0;

describe("save", () => {
  test("keeps values of every type with the checkpoint's outcome, and they read back", async () => {
    const types: ArtifactType[] = ["prompt", "response", "context", "input", "output", "blob"];
    const work = checkpoint("work", () => {
      for (const type of types) save(`a_${type}`, { type }, { type });
      save("plain", 1);
    });
    await twice(
      stack,
      flow("f", async () => work()),
      undefined,
      { id: "e" },
    );
    expect(await artifactsOf("e")).toEqual([
      ...types.map((type) => [`a_${type}`, type]),
      ["plain", "output"],
    ]);
    expect(await loaded("e", "a_context")).toEqual({ type: "context" });
  });

  test("bytes stay bytes and text stays text, small and large", async () => {
    const bytes = new Uint8Array(100_000).fill(7);
    const work = checkpoint("work", () => {
      save("small", new Uint8Array([1, 2, 3]), { type: "blob" });
      save("large", bytes, { type: "blob" });
      save("text", "a".repeat(100_000));
    });
    await stack.run(
      flow("f", async () => work()),
      undefined,
      { id: "e" },
    );
    expect(await loaded("e", "small")).toEqual(new Uint8Array([1, 2, 3]));
    const large = (await loaded("e", "large")) as Uint8Array;
    expect(Buffer.compare(large, bytes)).toBe(0);
    expect(await loaded("e", "text")).toBe("a".repeat(100_000));
    const { keys } = await stack.backend.blobs.list({ prefix: "blobs/" });
    const sizes = await Promise.all(
      keys.map(async (key) => (await stack.backend.blobs.get(key))?.byteLength),
    );
    expect(sizes).toContain(100_000); // as they are, not in some encoding
  });

  test("is dropped when the attempt fails; the next attempt's are kept", async () => {
    const work = checkpoint("work", { retries: { attempts: 1, initialDelay: 1 } }, () => {
      const { attempt } = checkpointContext();
      save(`attempt ${attempt}`, attempt);
      if (attempt === 1) throw new Error("again");
    });
    await twice(
      stack,
      flow("f", async () => work()),
      undefined,
      { id: "e" },
    );
    expect(await artifactsOf("e")).toEqual([["attempt 2", "output"]]);
  });

  test("takes the value as it is then", async () => {
    const work = checkpoint("work", () => {
      const value = { n: 1 };
      save("value", value);
      value.n = 2;
    });
    await stack.run(
      flow("f", async () => work()),
      undefined,
      { id: "e" },
    );
    expect(await loaded("e", "value")).toEqual({ n: 1 });
  });

  test("what cannot be stored fails the checkpoint with name and path", async () => {
    let runs = 0;
    const work = checkpoint("work", { retries: 3 }, () => {
      runs += 1;
      save("client", { send: () => 1 });
    });
    const error = await failureOf(
      twice(
        stack,
        flow("f", async () => work()),
        undefined,
      ),
    );
    expect(error).toMatchObject({
      code: "serialization",
      message: expect.stringContaining('artifact "client": send is a function'),
    });
    expect(runs).toBe(1);
  });

  test.each<[string, () => void, RegExp]>([
    ["no name", () => save("", 1), /must be a text that is not empty/],
    ["a blank name", () => save("  ", 1), /must be a text that is not empty/],
    ["a number for a name", () => save(JSON.parse("5"), 1), /must be a text/],
    [
      "an unknown type",
      () => save("a", 1, { type: JSON.parse('"picture"') }),
      /unknown artifact type "picture". Use one of: prompt, response/,
    ],
  ])("%s is a usage error", async (_, act, message) => {
    const work = checkpoint("work", act);
    const error = await failureOf(
      twice(
        stack,
        flow("f", async () => work()),
        undefined,
      ),
    );
    expect(error).toMatchObject({ code: "usage", message: expect.stringMatching(message) });
  });

  test("after the attempt has ended it is a context error", async () => {
    let late: Promise<unknown> | undefined;
    const work = checkpoint("work", () => {
      late = sleepFor(5).then(() => {
        log({ ignored: true });
        return failureOf(Promise.resolve().then(() => save("late", 1)));
      });
    });
    await stack.run(
      flow("f", async () => work()),
      undefined,
      { id: "e" },
    );
    expect(await late).toMatchObject({
      code: "context",
      message: expect.stringContaining("called by work:0 after its attempt 1 had ended"),
    });
    expect(await artifactsOf("e")).toEqual([]);
  });
});

describe("load", () => {
  test("reads an artifact, a result by the checkpoint's name, and one by call id", async () => {
    const work = checkpoint("work", (x: number) => {
      if (x === 1) save("notes", "of one");
      return x * 10;
    });
    const only = checkpoint("only", () => ({ big: "x".repeat(50_000) }));
    const f = flow("f", async () => [await work(1), await work(2), await only()]);
    await stack.run(f, undefined, { id: "e" });
    expect(await loaded("e", "notes")).toBe("of one");
    expect(await loaded("e", "work:1")).toBe(20);
    expect(await loaded("e", "only")).toEqual({ big: "x".repeat(50_000) });
    expect(await failureOf(loaded("e", "work"))).toMatchObject({
      code: "state",
      message: expect.stringContaining("work:0, work:1"),
    });
  });

  test("a name that is not there lists those that are", async () => {
    const work = checkpoint("work", () => save("notes", 1));
    await stack.run(
      flow("f", async () => work()),
      undefined,
      { id: "e" },
    );
    expect(await failureOf(loaded("e", "other"))).toMatchObject({
      code: "not_found",
      message: 'load(): execution e has no artifact named "other". It has: notes, work.',
    });
    await stack.run(
      flow("empty", async () => 1),
      undefined,
      { id: "none" },
    );
    expect((await failureOf(loaded("none", "x"))).message).toMatch(/It has: none\./);
  });

  test("an execution that is not there is a state error", async () => {
    expect(await failureOf(loaded("nobody", "x"))).toMatchObject({
      code: "not_found",
      message: expect.stringContaining('there is no execution "nobody"'),
    });
  });

  test("from the execution it runs in, and what it reads is recorded with its checkpoint", async () => {
    const write = checkpoint("write", () => save("notes", { n: 1 }));
    const read = checkpoint("read", () => load(checkpointContext().executionId, "notes"));
    const f = flow("f", async () => {
      await write();
      const notes = await read();
      await sleep("1 day");
      return notes;
    });
    expect(await twice(stack, f, undefined)).toEqual({ n: 1 });
  });
});

describe("log", () => {
  test("belongs to the checkpoint in one, to the execution in a flow body, once", async () => {
    const work = checkpoint("work", () => log({ from: "work" }));
    const f = flow("f", async () => {
      log({ from: "flow", step: 1 });
      await work();
      await sleep("1 day");
      log({ from: "flow", step: 2, large: "x".repeat(10_000) });
      await sleep("1 day");
    });
    await twice(stack, f, undefined, { id: "e" });
    const logs = (await stack.journal("e")).filter((entry) => entry.t === "log");
    const lines = await Promise.all(
      logs.map(async ({ id, fields }) => {
        const value = (await stack.runtime.context.values.get(fields)) as { step?: number };
        return [id, value.step];
      }),
    );
    expect(lines).toEqual([
      [undefined, 1],
      ["work:0", undefined],
      [undefined, 2],
    ]);
  });

  test("of a failed attempt is kept", async () => {
    const work = checkpoint("work", (): void => {
      log({ about: "the failure" });
      throw new Error("failed");
    });
    await expect(
      twice(
        stack,
        flow("f", async () => work()),
        undefined,
        { id: "e" },
      ),
    ).rejects.toThrow("failed");
    expect((await stack.journal("e")).filter((entry) => entry.t === "log")).toHaveLength(1);
  });

  test("takes the fields as they are then", async () => {
    const work = checkpoint("work", () => {
      const fields = { n: 1 };
      log(fields);
      fields.n = 2;
    });
    await stack.run(
      flow("f", async () => work()),
      undefined,
      { id: "e" },
    );
    const entry = (await stack.journal("e")).find(({ t }) => t === "log");
    expect(entry).toMatchObject({ fields: { v: { n: 1 } } });
  });
});

test("outside their place each says where it belongs", async () => {
  const context = expect.objectContaining({ code: "context" }) as Error;
  expect(() => save("a", 1)).toThrow(/save\(\) was called outside a flow/);
  expect(() => log({})).toThrow(/log\(\) was called outside a flow/);
  expect(() => log({})).toThrow(context);
  await expect(load("e", "a")).rejects.toThrow(/load\(\) was called outside a flow/);
  const f = flow("f", async () => [
    (await failureOf(Promise.resolve().then(() => save("a", 1)))).message,
    (await failureOf(load("e", "a"))).message,
  ]);
  expect(await twice(stack, f, undefined)).toEqual([
    "save() was called in a flow body. Call it inside a checkpoint.",
    "load() was called in a flow body. Call it inside a checkpoint.",
  ]);
});

function sleepFor(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
