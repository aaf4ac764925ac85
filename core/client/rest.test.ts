import { afterEach, beforeEach, expect, test } from "vitest";

import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { registry } from "../engine/definitions.ts";
import { load } from "../engine/session.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { sleep } from "../primitives/sleep.ts";
import { wait } from "../primitives/wait.ts";
import { askersOf, isOverdue, restOf } from "./rest.ts";

let stack: TestStack;
beforeEach(async () => {
  registry.clear();
  stack = await testStack({ config: {}, autoAdvance: false });
});
afterEach(() => stack.close());

const rest = (id: string) => restOf(stack.runtime.context, id);

test("a flow that only a child of a child keeps waiting rests once that one asks", async () => {
  const approve = wait("approve");
  const inner = flow("inner", async () => {
    await approve();
    return "approved";
  });
  const middle = flow("middle", async () => inner.call(undefined));
  const outer = flow("outer", async () => middle.call(undefined));
  const handle = outer.run(undefined, { id: "o" });
  const { executions } = stack.client;
  expect(await executions.untilRest("o")).toMatchObject({ status: "waiting", pendingWaits: [] });
  expect(await askersOf(stack.runtime.context, "o")).toEqual(["o/middle:0/inner:0"]);
  await approve.answer("o/middle:0/inner:0");
  expect(await executions.untilRest("o")).toMatchObject({ status: "completed" });
  expect(await handle.result()).toBe("approved");
  expect(await askersOf(stack.runtime.context, "o")).toEqual([]);
});

test("a child that works keeps its parent from resting, though another asks", async () => {
  const working = Promise.withResolvers<void>();
  const approve = wait("approve");
  const work = checkpoint("work", () => working.promise);
  const asking = flow("asking", async () => approve());
  const busy = flow("busy", async () => {
    await work();
    await sleep("1 day");
  });
  const outer = flow("outer", async () =>
    Promise.all([busy.call(undefined), asking.call(undefined)]),
  );
  outer.run(undefined, { id: "o" });
  await expect.poll(() => rest("o/asking:0")).toBe("wait");
  await expect.poll(async () => (await stack.client.executions.get("o")).status).toBe("waiting");
  expect(await rest("o")).toBeUndefined();
  working.resolve();
  await expect.poll(() => rest("o/busy:0")).toBe("time");
  expect(await rest("o")).toBe("wait");
});

test("children that only time keeps are a rest on time", async () => {
  const napping = flow("napping", async () => sleep("1 day"));
  const outer = flow("outer", async () => napping.call(undefined));
  outer.run(undefined, { id: "o" });
  await expect.poll(() => rest("o")).toBe("time");
  await stack.clock.advanceBy("2 days");
  await expect.poll(async () => (await stack.client.executions.get("o")).status).toBe("completed");
});

test("an isolated attempt that runs is no rest, unless the flow itself asks", async () => {
  const working = Promise.withResolvers<void>();
  const approve = wait("approve");
  const apart = checkpoint("apart", { runtime: "isolated" }, () => working.promise);
  const nap = flow("nap", async () => Promise.race([apart(), sleep("1 day")]));
  const both = flow("both", async () => Promise.all([apart(), approve()]));
  const started = [nap.run(undefined, { id: "a" }), both.run(undefined, { id: "b" })];
  await expect.poll(() => rest("b")).toBe("wait");
  await expect.poll(async () => (await stack.client.executions.get("a")).status).toBe("waiting");
  expect(await rest("a")).toBeUndefined();
  working.resolve();
  await approve.answer("b");
  await Promise.all(started.map((handle) => handle.result()));
});

test("a flow is overdue when its own time is over, or that of something it rests on", async () => {
  const gate = wait("gate");
  const late = flow("late", { timeout: "1 day" }, async () => gate());
  const naps = flow("naps", async () => Promise.all([gate(), sleep("1 hour")]));
  late.run(undefined, { id: "a" });
  naps.run(undefined, { id: "b" });
  const hours = async (id: string, count: number): Promise<boolean> => {
    await expect.poll(() => rest(id)).toBe("wait");
    const execution = await load(stack.runtime.context, id);
    return isOverdue(execution, id, stack.clock.now() + count * 3_600_000);
  };
  expect([await hours("a", 23), await hours("a", 24)]).toEqual([false, true]);
  expect([await hours("b", 0), await hours("b", 1)]).toEqual([false, true]);
});
