import { expect, test } from "vitest";
import { checkpoint, flow, wait } from "../../core/index.ts";
import { World, unique } from "./kit.ts";

function chain(count: number): string {
  const [name, step] = [unique("flow"), unique("step")];
  const work = checkpoint(step, (x: number) => x + 1);
  flow(name, async () => {
    let x = 0;
    for (let i = 0; i < count; i++) x = await work(x);
    return x;
  });
  return name;
}

test.each([1, 2, 3, 7])(
  "pages of %i: everything is read, however small they are",
  async (pageSize) => {
    const name = chain(12);
    const process = new World({ pageSize }).process();
    const id = await process.start(name);
    expect(await process.drive(id)).toBe("completed");
    expect(await process.output(id)).toBe(12);
    expect(await process.drive(id)).toBe("completed");
  },
);

test("pages that mix two states of the journal are listed again", async () => {
  const [name, question, step] = [unique("flow"), unique("ask"), unique("step")];
  const ask = wait(question);
  const work = checkpoint(step, (x: number) => ({ x, filler: "y".repeat(100) }));
  const runs: number[] = [];
  flow(name, async () => {
    await ask();
    for (let i = 0; i < 4; i++) runs.push((await work(i)).x);
    return "done";
  });
  const world = new World({ pageSize: 1 });
  const [slow, quick] = [world.process(), world.process()];
  const id = await slow.start(name);
  await slow.drive(id);
  await quick.answer(id, question);
  // after the slow reader has seen the last segment half full, the quick one fills it and goes on
  let pages = 0;
  let listings = 0;
  world.beforePage = async () => {
    listings++;
    if (++pages !== 4) return;
    world.beforePage = undefined;
    await quick.drive(id);
    world.beforePage = () => void listings++;
  };
  expect(await slow.drive(id)).toBe("completed");
  expect(await slow.entriesOf(id, "ended")).toHaveLength(1);
  expect((await slow.entriesOf(id, "completed")).map((entry) => entry.id)).toEqual([
    `${question}:0`,
    ...[0, 1, 2, 3].map((n) => `${step}:${n}`),
  ]);
  expect(runs).toEqual([0, 1, 2, 3]);
  expect(listings).toBeGreaterThan(8);
});

test("an inbox that was read before its items were adopted and cleared gives them no second life", async () => {
  const [name, one, two] = [unique("flow"), unique("ask"), unique("ask")];
  const [first, second] = [wait(one), wait(two)];
  flow(name, async () => {
    await first();
    await second();
  });
  const world = new World({ pageSize: 1 });
  const [slow, quick] = [world.process(), world.process()];
  const id = await slow.start(name);
  await slow.drive(id);
  await quick.answer(id, one);
  let pages = 0;
  world.beforePage = async () => {
    if (++pages !== 3) return; // head and inbox have been read
    world.beforePage = undefined;
    await quick.drive(id);
  };
  expect(await slow.drive(id)).toBe("waiting");
  expect(await slow.entriesOf(id, "completed")).toHaveLength(1);
  await slow.answer(id, two);
  expect(await slow.drive(id)).toBe("completed");
});

test("full segments are never appended to; a new one begins where the last was full", async () => {
  const name = chain(20);
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  const { items } = await world.records.list({ partition: `exec/${id}`, from: "j/", to: "j0" });
  expect(items.length).toBeGreaterThan(4);
  for (const item of items.slice(0, -1)) expect(item.body.length).toBeGreaterThanOrEqual(300);
  const sizes = new Map<string, number>();
  for (const { sort, body } of world.written.filter((draft) => draft.sort.startsWith("j/"))) {
    expect(sizes.get(sort) ?? 0).toBeLessThan(300);
    sizes.set(sort, body.length);
  }
});

test("the first entry fixes the size of segments for whoever goes on", async () => {
  const [name, question, step] = [unique("flow"), unique("ask"), unique("step")];
  const ask = wait(question);
  const work = checkpoint(step, (x: number) => ({ x, filler: "y".repeat(40) }));
  flow(name, async () => {
    await ask();
    for (let i = 0; i < 8; i++) await work(i);
  });
  const world = new World();
  const small = world.process();
  const large = world.process({ capabilities: { segmentBytes: 100_000 } });
  const id = await small.start(name);
  await small.drive(id);
  await small.answer(id, question);
  expect(await large.drive(id)).toBe("completed");
  const { items } = await world.records.list({ partition: `exec/${id}`, from: "j/", to: "j0" });
  expect(items.length).toBeGreaterThan(4);
  expect(await small.drive(id)).toBe("completed");
  expect((await small.entriesOf(id, "started"))[0]).toMatchObject({ segmentBytes: 300, format: 1 });
});

test("a batch above the record limit is split over segments and read back whole", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const work = checkpoint(step, (x: number) => ({ x, filler: "y".repeat(40) }));
  flow(name, async () => {
    const all = await Promise.all(Array.from({ length: 30 }, (_, x) => work(x)));
    return all.map(({ x }) => x).reduce((a, b) => a + b, 0);
  });
  const world = new World({ capabilities: { recordBytes: 900 } });
  const process = world.process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe(435);
  for (const draft of world.written) expect(draft.body.length).toBeLessThanOrEqual(900);
});

test("one entry above the record limit: an error that says how large it is and what to do", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const work = checkpoint(step, (...parts: string[]) => parts.length);
  flow(name, async () =>
    work(...Array.from({ length: 20 }, (_, n) => `part ${n} ${"y".repeat(30)}`)),
  );
  const process = new World({ capabilities: { recordBytes: 900 } }).process();
  const id = await process.start(name);
  await expect(process.drive(id)).rejects.toMatchObject({
    code: "serialization", // it stays so, whatever becomes of the store
    message: expect.stringMatching(/takes \d+ bytes; this stack's limit is 600 bytes/) as string,
  });
});
