import { expect, test } from "vitest";
import { checkpoint, flow, now, sleep, wait } from "../../core/index.ts";
import { World, unique } from "./kit.ts";

test("days of sleep end when they are due, not before, whoever wakes them", async () => {
  const name = unique("flow");
  flow(name, async () => {
    const from = now();
    await sleep("12h");
    return now() - from;
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const from = world.clock.now();
  const { wakeAt } = await process.advanceToPark(id);
  expect(wakeAt).toBe(from + 43_200_000);
  world.clock.jump(wakeAt - 2000);
  expect(await process.drive(id)).toBe("waiting");
  world.clock.jump(wakeAt);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe(43_200_000);
});

test("a sleep until a date, one that is past, and one of nothing", async () => {
  const name = unique("flow");
  const world = new World();
  flow(name, async () => {
    await sleep(new Date(0));
    await sleep(0);
    await sleep(new Date(world.clock.now() + 900));
    return "up";
  });
  const process = world.process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("completed"); // what is due within a second is waited for
  expect(await process.entriesOf(id, "sleeping")).toHaveLength(3);
});

test("an execution is parked for a second at least and a heartbeat at most", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { timeout: 2000 });
  flow(name, async (isLong: boolean) => (isLong ? sleep("30 days") : ask()));
  const world = new World();
  const process = world.process();
  const long = await process.start(name, true, `${name}-long`);
  expect((await process.advanceToPark(long)).wakeAt).toBe(world.clock.now() + 86_400_000);
  const short = await process.start(name, false, `${name}-short`);
  expect((await process.advanceToPark(short)).wakeAt).toBe(world.clock.now() + 2000);
  world.clock.jump(world.clock.now() + 1000);
  const directive = await process.advance(short, "o1", { deadline: world.clock.now() + 100 });
  expect(directive).toMatchObject({ kind: "park", wakeAt: world.clock.now() + 1000 });
});

test("the earliest of several due times wakes it; the park names what is awaited", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { timeout: "2h" });
  flow(name, async () => Promise.race([sleep("3h"), sleep("1h"), ask().then(() => "expired")]));
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const directive = await process.advanceToPark(id);
  expect(directive).toMatchObject({ label: question, wakeAt: world.clock.now() + 3_600_000 });
  await process.park(id, directive);
  expect((await process.inbox(id)).dueAt).toBe(directive.wakeAt + 5000);
});

test("a flow's timeout counts what it was parked", async () => {
  const [name, question, step] = [unique("flow"), unique("ask"), unique("step")];
  const ask = wait(question);
  let cleaned = 0;
  const tidy = checkpoint(step, () => ++cleaned);
  flow(name, { timeout: "1h" }, async () => {
    try {
      await ask();
    } finally {
      await tidy();
    }
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const { wakeAt } = await process.advanceToPark(id);
  expect(wakeAt).toBe(world.clock.now() + 3_600_000);
  world.clock.jump(wakeAt);
  expect(await process.drive(id)).toBe("failed");
  expect(await process.failure(id)).toMatchObject({
    code: "timeout",
    message: expect.stringContaining(`timeout of flow "${name}" (3600000 ms`) as string,
  });
  expect(cleaned).toBe(1);
});

test("a flow's timeout ends a running step, and counts from the start, not from the first advance", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const work = checkpoint(step, () => new Promise<void>(() => undefined));
  flow(name, { timeout: "10s" }, async () => work());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  world.clock.jump(world.clock.now() + 4000);
  const from = world.clock.now();
  expect(await process.drive(id)).toBe("failed");
  expect(world.clock.now() - from).toBe(6000);
});

test("an answer in time counts although the timeout of the flow passed before it was adopted", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, { timeout: "1h" }, async () => ask().then(() => "answered"));
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  await process.answer(id, question);
  world.clock.jump(world.clock.now() + 7_200_000);
  expect(await process.drive(id)).toBe("completed");
});

test("a retry delay above five seconds suspends; a shorter one holds", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  let runs = 0;
  const flaky = checkpoint(
    step,
    { retries: { attempts: 2, initialDelay: "4s", factor: 3, jitter: false } },
    () => {
      if (++runs < 3) throw new Error("again");
      return runs;
    },
  );
  flow(name, async () => flaky());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const { wakeAt } = await process.advanceToPark(id);
  expect(runs).toBe(2);
  expect(wakeAt).toBe(world.clock.now() + 12_000);
  expect(await process.status(id)).toBe("waiting");
  world.clock.jump(wakeAt);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.entriesOf(id, "attempt")).toHaveLength(2);
});
