import { expect, test } from "vitest";
import { checkpoint, flow, sleep, wait } from "../../core/index.ts";
import { type Process, World, unique } from "./kit.ts";

async function writesOf(world: World, id: string): Promise<string[]> {
  return world.written
    .filter((draft) => draft.partition === `exec/${id}`)
    .map((draft) => (draft.sort.startsWith("j/") ? "journal" : draft.sort));
}

function fresh(world: World): Process {
  return world.process({ orchestrator: { canDrive: () => true } });
}

test("exactly one write for each sequential step, at most four more for a start and an end", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const work = checkpoint(step, (x: number) => x + 1);
  flow(name, async (count: number) => {
    let x = 0;
    for (let i = 0; i < count; i++) x = await work(x);
    return x;
  });
  for (const [make, extra] of [
    [fresh, 3],
    [(world: World) => world.process(), 4],
  ] as const)
    for (const count of [1, 10, 50]) {
      const world = new World();
      const process = make(world);
      const id = await process.start(name, count, `${name}-${count}`);
      expect(await process.drive(id)).toBe("completed");
      expect(await writesOf(world, id)).toHaveLength(count + extra);
    }
});

test("parallel steps share their writes", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const work = checkpoint(step, (x: number) => x + 1);
  flow(
    name,
    async () => (await Promise.all(Array.from({ length: 100 }, (_, x) => work(x)))).length,
  );
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("completed");
  expect((await writesOf(world, id)).length).toBeLessThanOrEqual(6);
});

test("none while waiting but the one that tells the sweep so", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask());
  const world = new World();
  const process = fresh(world);
  const id = await process.start(name);
  await process.drive(id);
  const parked = await writesOf(world, id);
  expect(parked).toEqual(["head", "journal", "head", "inbox"]);
  process.listening.add("o1");
  for (let hour = 0; hour < 20; hour++) {
    await world.clock.advanceBy("1h");
    await process.sweep();
  }
  expect((await writesOf(world, id)).slice(parked.length)).toEqual(["head"]);
  await process.answer(id, question);
  await process.drive(id);
  const later = (await writesOf(world, id)).slice(parked.length + 1);
  expect(later.slice(0, 3)).toEqual(["inbox", "journal", "journal"]);
  expect(later.slice(3).toSorted()).toEqual(["head", "inbox"]); // at the same time
});

test("a call that opens and an outcome that is ready share an append", async () => {
  const [name, step, question] = [unique("flow"), unique("step"), unique("ask")];
  const work = checkpoint(step, () => 1);
  const ask = wait(question);
  flow(name, async () => {
    await Promise.all([work(), ask(), sleep("1h")]);
  });
  const world = new World();
  const process = fresh(world);
  const id = await process.start(name);
  await process.drive(id);
  expect(await writesOf(world, id)).toEqual(["head", "journal", "head", "inbox"]);
});

test("an outcome is delivered only after the append that holds it succeeded", async () => {
  const [name, one, two] = [unique("flow"), unique("step"), unique("step")];
  const seen: string[] = [];
  const first = checkpoint(one, () => "first");
  const second = checkpoint(two, () => seen.push("second runs"));
  flow(name, async () => {
    seen.push(await first());
    await second();
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  world.intercept = async (draft, write) => {
    const isFirst = draft.body.includes(`"${one}:0"`) && !draft.body.includes(`"${two}:0"`);
    const result = await write();
    if (isFirst) seen.push("first is durable");
    return result;
  };
  await process.drive(id);
  expect(seen.slice(0, 3)).toEqual(["first is durable", "first", "second runs"]);
});

test("blobs are durable before the entry that names them", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const work = checkpoint(step, (text: string) => text + text);
  flow(name, async () => (await work("x".repeat(500))).length);
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const put = world.blobs.put.bind(world.blobs);
  const stored: string[] = [];
  world.blobs.put = async (key, bytes, options) => {
    await put(key, bytes, options);
    stored.push(key.slice("blobs/".length));
  };
  world.intercept = (draft, write) => {
    for (const [, hash] of draft.body.matchAll(/"b":"([0-9a-f]+)"/g))
      expect(stored).toContain(hash);
    return write();
  };
  await process.drive(id);
  expect(await process.output(id)).toBe(1000);
  expect(stored.length).toBeGreaterThan(0);
});
