import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { registry } from "../engine/definitions.ts";
import { headDraft, headKey, readHead } from "../journal/head.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { failureOf } from "./fixtures/twice.ts";
import { flow } from "./flow.ts";
import { handleOf, newExecutionId } from "./handle.ts";
import { wait } from "./wait.ts";

let stack: TestStack;
beforeEach(async () => {
  registry.clear();
  stack = await testStack({ config: {} });
});
afterEach(() => stack.close());

describe("status", () => {
  test("waiting, completed, failed, cancelled", async () => {
    const gate = wait("gate");
    const f = flow("f", async (fails: boolean) => {
      await gate();
      if (fails) throw new Error("as told");
    });
    const [good, bad, stopped] = [f.run(false), f.run(true), f.run(false)];
    await stack.waiting(stopped.id);
    expect(await good.status()).toBe("waiting");
    await gate.answer(good.id);
    await gate.answer(bad.id);
    await stopped.cancel();
    await Promise.allSettled([good.result(), bad.result(), stopped.result()]);
    expect(await Promise.all([good.status(), bad.status(), stopped.status()])).toEqual([
      "completed",
      "failed",
      "cancelled",
    ]);
  });

  test("of an execution that is not there: a state error", async () => {
    expect(await failureOf(handleOf("nobody", stack.runtime).status())).toMatchObject({
      code: "not_found",
    });
  });
});

describe("get", () => {
  test("throws while the execution runs, then gives the result or throws the failure", async () => {
    const gate = wait("gate");
    const f = flow("f", async (fails: boolean) => {
      await gate();
      if (fails) throw new RangeError("as told");
      return "result";
    });
    const [good, bad] = [f.run(false), f.run(true)];
    await stack.waiting(bad.id);
    expect(await failureOf(good.get())).toMatchObject({
      code: "state",
      message: `Execution ${good.id} is still running (status: waiting).`,
    });
    await gate.answer(good.id);
    await gate.answer(bad.id);
    await stack.clock.settle();
    expect(await good.get()).toBe("result");
    expect(await failureOf(bad.get())).toBeInstanceOf(RangeError);
  });

  test("an end that says nothing more is told as it is", async () => {
    const f = flow("f", async () => 1);
    const handle = f.run();
    await handle.result();
    const { records } = stack.backend;
    const record = expectDefined(await records.get(headKey(handle.id)));
    const head = readHead(record);
    const { out: _out, ...view } = head.view;
    await records.put(
      headDraft({ ...head, view: { ...view, status: "failed" } }, 1),
      record.version,
    );
    expect(await failureOf(handle.get())).toMatchObject({
      code: "execution",
      message: `Execution ${handle.id} ended failed without a result.`,
    });
  });
});

describe("result", () => {
  test("stops waiting after its timeout; the execution goes on", async () => {
    const gate = wait("gate");
    const f = flow("f", async () => {
      await gate();
      return "later";
    });
    const handle = f.run();
    expect(await failureOf(handle.result({ timeout: 30 }))).toMatchObject({
      code: "timeout",
      message: expect.stringMatching(/has not ended within 30 ms \(status: waiting\)/),
    });
    await gate.answer(handle.id);
    expect(await handle.result({ timeout: "1s" })).toBe("later");
  });

  test("a timeout that is none is a usage error", async () => {
    const handle = flow("f", async () => 1).run();
    const timeout = JSON.parse('"soon"');
    expect(await failureOf(handle.result({ timeout }))).toMatchObject({ code: "usage" });
  });

  test("may be asked for by many, before and after the end", async () => {
    const f = flow("f", async () => ({ a: 1 }));
    const handle = f.run();
    const results = await Promise.all([handle.result(), handle.result(), handle.result()]);
    expect([...results, await handle.result()]).toEqual([{ a: 1 }, { a: 1 }, { a: 1 }, { a: 1 }]);
  });
});

describe("cancel", () => {
  test("of an execution that has ended: a state error", async () => {
    const handle = flow("f", async () => 1).run();
    await handle.result();
    expect(await failureOf(handle.cancel())).toMatchObject({
      code: "state",
      message: expect.stringContaining("it has ended (completed)"),
    });
  });

  test("the status is cancelled whatever the flow returns", async () => {
    const gate = wait("gate");
    const f = flow("f", async () => gate().then(String, () => "caught"));
    const handle = f.run();
    await stack.waiting(handle.id);
    await handle.cancel();
    expect(await failureOf(handle.result())).toMatchObject({ code: "cancelled" });
    expect(await handle.status()).toBe("cancelled");
  });
});

function expectDefined<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("there is no such record");
  return value;
}

test("execution ids sort by time and do not repeat", async () => {
  const first = newExecutionId();
  await new Promise((resolve) => setTimeout(resolve, 2));
  const ids = Array.from({ length: 1000 }, newExecutionId);
  expect(new Set(ids).size).toBe(1000);
  for (const id of ids) expect(id > first).toBe(true);
});
