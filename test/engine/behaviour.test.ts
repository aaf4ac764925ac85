import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { local } from "../../adapters/local/index.ts";
import { activeRuntime } from "../../core/stacks.ts";
import {
  KitaruClient,
  NonRetryableError,
  checkpoint,
  checkpointContext,
  configure,
  flow,
  llm,
  load,
  log,
  now,
  random,
  save,
  sleep,
  uuid,
  wait,
} from "../../core/index.ts";
import { isolatedFlow } from "./fixtures/isolated.ts";

configure({
  root: await mkdtemp(join(tmpdir(), "kitaru-")),
  config: { stacks: { local: local() } },
});
const client = new KitaruClient();

test("retries: attempts are counted and recorded, and a final error is not tried again", async () => {
  const attempts: number[] = [];
  const flaky = checkpoint("flaky", { retries: { attempts: 3, initialDelay: 1 } }, () => {
    attempts.push(checkpointContext().attempt);
    if (attempts.length < 3) throw new TypeError("again");
    if (attempts.length === 4) throw new NonRetryableError("final");
    return "ok";
  });
  const retrying = flow("retrying", async () => [
    await flaky(),
    await flaky().catch((error: Error) => error.message),
  ]);
  const handle = retrying.run();
  expect(await handle.result()).toEqual(["ok", "final"]);
  expect(attempts).toEqual([1, 2, 3, 1]);
  const { calls } = await client.executions.get(handle.id);
  expect(calls[0]?.attempts.map(({ number, error }) => [number, error?.name])).toEqual([
    [1, "TypeError"],
    [2, "TypeError"],
    [3, undefined],
  ]);
});

test("a timeout aborts the signal and is a failure with code timeout", async () => {
  let isAborted = false;
  const slow = checkpoint("slow", { timeout: 20 }, async () => {
    const { signal } = checkpointContext();
    await new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => {
        isAborted = true;
        resolve();
      });
    });
  });
  const timing = flow("timing", async () => slow());
  await expect(timing.run().result()).rejects.toMatchObject({ code: "timeout" });
  expect(isAborted).toBe(true);
});

test("map keeps order and its limit; settle reports every outcome", async () => {
  let open = 0;
  let most = 0;
  const item = checkpoint("item", async (x: number) => {
    most = Math.max(most, ++open);
    await new Promise((resolve) => setTimeout(resolve, 2));
    open--;
    if (x === 3) throw new Error("three");
    return x * x;
  });
  const mapping = flow("mapping", async () => ({
    squares: await item.map([1, 2, 4, 5], { concurrency: 2 }),
    all: (await item.map([1, 3], { settle: true })).map((result) => result.status),
    failed: await item.map([3, 1]).catch((error: Error) => error.message),
  }));
  expect(await mapping.run().result()).toEqual({
    squares: [1, 4, 16, 25],
    all: ["fulfilled", "rejected"],
    failed: "three",
  });
  expect(most).toBe(2);
});

test("child flows: a result, a failure that is caught, a wait inside", async () => {
  const ask = wait("child_ask");
  const child = flow("child", async (x: number) => {
    if (x === 0) throw new RangeError("zero");
    await ask();
    return x + 1;
  });
  const parent = flow("parent", async () => {
    const failure = await child.call(0).catch((error: Error) => `${error.name}: ${error.message}`);
    return [failure, await child.call(1)];
  });
  const handle = parent.run();
  await expect
    .poll(() => client.executions.list({ flow: "child", status: "waiting" }))
    .toHaveLength(1);
  expect(await handle.status()).toBe("waiting");
  await ask.answer(`${handle.id}/child:1`);
  expect(await handle.result()).toEqual(["RangeError: zero", 2]);
});

test("artifacts, logs, deterministic values and llm calls are recorded and read back", async () => {
  const keep = checkpoint("keep", async (text: string) => {
    save("notes", { text });
    log({ words: 2 });
    return llm("Say this.\nA sentence.", { model: "offline/extract" });
  });
  const reading = checkpoint("reading", (id: string) => load(id, "notes"));
  const first = flow("first_pass", async () => {
    log({ phase: "one" });
    await llm("In the body.\nFirst.", { model: "offline/extract", name: "body" });
    return { text: await keep("two words"), at: now(), r: random(), id: uuid() };
  });
  const second = flow("second_pass", async (id: string) => reading(id));
  const handle = first.run();
  const result = await handle.result();
  expect(result.id).toMatch(/^[0-9a-f-]{36}$/);
  expect(result.r).toBeLessThan(1);
  expect(await second.run(handle.id).result()).toEqual({ text: "two words" });
  const names = (await client.artifacts.list(handle.id)).map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(["body_prompt", "body_response", "llm_prompt", "llm_response", "notes"]),
  );
  expect(await client.artifacts.get(`${handle.id}/keep:0/notes`)).toEqual({ text: "two words" });
  expect(
    (await client.executions.logs(handle.id)).flatMap(({ fields }) =>
      fields === undefined ? [] : [fields],
    ),
  ).toEqual([{ phase: "one" }, { words: 2 }]);
  await expect(client.artifacts.get(`${handle.id}/keep:0/none`)).rejects.toMatchObject({
    code: "not_found",
  });
});

test("an outcome is reused across executions when the checkpoint says so", async () => {
  let runs = 0;
  const costly = checkpoint("costly", { cache: true }, (x: number) => x + ++runs);
  const caching = flow("caching", async (x: number) => costly(x));
  expect(await caching.run(1).result()).toBe(2);
  await expect.poll(async () => (await caching.run(1).result()) === 2 && runs === 1).toBe(true);
  expect(await caching.run(5).result()).toBe(7);
});

test("starts are idempotent by id; another input is a conflict", async () => {
  const same = flow("same", async (x: number) => x);
  expect(await same.run(1, { id: "once" }).result()).toBe(1);
  expect(await same.run(1, { id: "once" }).result()).toBe(1);
  await expect(same.run(2, { id: "once" }).result()).rejects.toMatchObject({ code: "conflict" });
});

test("an isolated checkpoint runs in another process, and its crash is a failure", async () => {
  const { x, pid } = await isolatedFlow.run(4).result();
  expect([x, pid === process.pid]).toEqual([4, false]);
  await expect(isolatedFlow.run(-1).result()).rejects.toMatchObject({ code: "crashed" });
}, 20_000);

test("what cannot be stored names its path; a mutated argument changes nothing", async () => {
  const bad = checkpoint("bad", (): unknown => ({ client: { send: () => 1 } }));
  const mutate = checkpoint("mutate", (list: number[]) => list.push(9));
  const storing = flow("storing", async () => {
    const list = [1];
    await mutate(list);
    return [list, await bad().catch((error: Error) => error.message)];
  });
  const [list, message] = await storing.run().result();
  expect(list).toEqual([1]);
  expect(message).toContain("client.send");
});

test("race losers are aborted, caught failures take the same branch after a sleep", async () => {
  const fails = checkpoint("fails", () => {
    throw new Error("no");
  });
  const racing = flow("racing", async () => {
    const winner = await Promise.race([
      sleep("1 day").then(() => "slept"),
      fails().catch(() => "fallback"),
    ]);
    await sleep(5);
    return winner;
  });
  expect(await racing.run().result()).toBe("fallback");
});

test("primitives say where they belong", async () => {
  await expect(sleep(1)).rejects.toMatchObject({ code: "context" });
  expect(() => log({})).toThrow("outside a flow");
  expect(() => save("x", 1)).toThrow("Call it inside a checkpoint");
  const nested = checkpoint("nested", async () => sleep(1));
  const nesting = flow("nesting", async () => nested());
  await expect(nesting.run().result()).rejects.toThrow("Call it in the flow body instead");
});

test("a sweep finds nothing to do where everything has ended", async () => {
  const runtime = await activeRuntime();
  expect(await runtime.host.sweep()).toBe(0);
});
