import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { local } from "../../adapters/local/index.ts";
import {
  RetryAfterError,
  checkpoint,
  checkpointContext,
  configure,
  flow,
  load,
  now,
  random,
  save,
  sleep,
  uuid,
  wait,
} from "../../core/index.ts";

configure({
  root: await mkdtemp(join(tmpdir(), "kitaru-")),
  config: { stacks: { local: local({ folder: "state" }) } },
});

test("retryIf ends the tries, a RetryAfterError sets the delay, the idempotency key stays", async () => {
  const seen: [number, string][] = [];
  const picky = checkpoint(
    "more_picky",
    {
      retries: {
        attempts: 5,
        initialDelay: "1h",
        retryIf: (error) => !String(error).includes("no"),
      },
    },
    () => {
      const { attempt, idempotencyKey } = checkpointContext();
      seen.push([attempt, idempotencyKey]);
      if (attempt === 1) throw new RetryAfterError("busy", 5);
      throw new Error("no");
    },
  );
  const trying = flow("more_trying", async () => picky());
  const handle = trying.run();
  await expect(handle.result()).rejects.toThrow("no");
  const key = `${handle.id}/more_picky:0`;
  expect(seen).toEqual([
    [1, key],
    [2, key],
  ]);
  expect(() =>
    checkpoint("more_never", { semantics: "at-most-once", retries: 1 }, () => 1),
  ).toThrow("exclude each other");
});

test("waits: a gate takes no value, an early answer is kept, an expired one is undefined", async () => {
  const gate = wait("more_gate");
  const quick = wait("more_quick", { timeout: 20 });
  const asking = flow("more_asking", async () => {
    await gate();
    return { quick: await quick() };
  });
  const handle = asking.run();
  await handle.started;
  await gate.answer(handle.id);
  await gate.answer(handle.id);
  expect(await handle.result()).toEqual({ quick: undefined });
  await expect(gate.answer(handle.id, undefined, { call: "more_gate:1" })).rejects.toMatchObject({
    code: "state",
  });
  await expect(quick.answer(handle.id)).rejects.toMatchObject({ code: "conflict" });
});

test("time, chance and ids of a body are the same when it runs again", async () => {
  const drawn: unknown[] = [];
  const ask = wait("more_same");
  const drawing = flow("more_drawing", async () => {
    drawn.push([now(), random(), uuid()]);
    await ask();
    return drawn.length;
  });
  const handle = drawing.run();
  await expect.poll(() => handle.status()).toBe("waiting");
  await ask.answer(handle.id);
  expect(await handle.result()).toBe(2);
  expect(drawn[1]).toEqual(drawn[0]);
});

test("allSettled tells every recorded outcome, a sleep to a past date is over at once", async () => {
  const odd = checkpoint("more_odd", (x: number) => {
    if (x % 2 === 0) throw new RangeError(`${x} is even`);
    return x;
  });
  const settling = flow("more_settling", async () => {
    await sleep(new Date(0));
    const all = await Promise.allSettled([odd(1), odd(2), sleep(1)]);
    return all.map((one) =>
      one.status === "rejected" ? (one.reason as Error).message : "fulfilled",
    );
  });
  expect(await settling.run().result()).toEqual(["fulfilled", "2 is even", "fulfilled"]);
});

test("cancel: the handle rejects with cancelled, finally runs, result() stops waiting at its timeout", async () => {
  const ended: string[] = [];
  const clean = checkpoint("more_clean", () => ended.push("clean"));
  const long = flow("more_long", async () => {
    try {
      await sleep("1 day");
    } finally {
      await clean();
    }
  });
  const handle = long.run();
  await expect(handle.result({ timeout: 100 })).rejects.toMatchObject({ code: "timeout" });
  await expect(handle.get()).rejects.toMatchObject({ code: "state" });
  await handle.cancel();
  await expect(handle.result()).rejects.toMatchObject({ code: "cancelled" });
  expect([ended, await handle.status()]).toEqual([["clean"], "cancelled"]);
  await expect(handle.cancel()).rejects.toMatchObject({ code: "state" });
});

test("artifacts of a failed attempt are dropped; load names what there is, and asks which one", async () => {
  const saving = checkpoint("more_saving", { retries: { attempts: 1, initialDelay: 1 } }, () => {
    const { attempt } = checkpointContext();
    save("more_note", attempt);
    if (attempt === 1) throw new Error("again");
    return attempt;
  });
  const reading = checkpoint("more_reading", (id: string, name: string) => load(id, name));
  const twice = flow("more_twice", async () => [await saving(), await saving()]);
  const look = flow("more_look", async ({ id, name }: { id: string; name: string }) =>
    reading(id, name),
  );
  const { id } = await (async () => {
    const handle = twice.run();
    await handle.result();
    return handle;
  })();
  expect(await look.run({ id, name: "more_note" }).result()).toBe(2);
  expect(await look.run({ id, name: "more_saving:1" }).result()).toBe(2);
  await expect(look.run({ id, name: "more_saving" }).result()).rejects.toThrow("Name one call");
  await expect(look.run({ id, name: "none" }).result()).rejects.toMatchObject({
    code: "not_found",
  });
});

test("a large result is the flow's own, whatever the checkpoint does with its bytes and the flow with what it got", async () => {
  const buffer = new Uint8Array(50_000);
  let runs = 0;
  const reusing = checkpoint("more_reusing", () => buffer.fill((runs += 1)));
  const large = flow("more_large", async () => {
    const first = await reusing();
    const second = await reusing();
    const seen = [first[0], second[0]];
    second.fill(9);
    await pause();
    return [...seen, first === second, first === buffer];
  });
  const pause = wait("more_pause");
  const handle = large.run();
  await handle.started;
  await pause.answer(handle.id);
  expect(await handle.result()).toEqual([1, 2, false, false]);
  const reader = flow("more_reader", async () => (await reusing()).length);
  expect(await reader.run().result()).toBe(50_000);
});
