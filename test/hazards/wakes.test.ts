import { expect, test } from "vitest";
import { checkpoint, flow, sleep, wait } from "../../core/index.ts";
import { sweepExecution } from "../../core/engine/sweep.ts";
import { Gate, World, unique } from "./kit.ts";

const minute = 60_000;

/** A flow that waits once. */
function waiting(): { name: string; question: string } {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask().then(() => "answered"));
  return { name, question };
}

test("a wake that was lost: the sweep finds the answer after half a minute and wakes again", async () => {
  const { name, question } = waiting();
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  process.listening.add("o1");
  await process.answer(id, question);
  process.woken.length = 0; // the wake never arrives
  expect(await process.sweep()).toBe(0);
  world.clock.jump(world.clock.now() + 31_000);
  expect(await process.sweep()).toBe(1);
  expect(process.woken).toEqual(["o1"]);
  expect(await process.drive(id)).toBe("completed");
});

test("a token that answers and does nothing is poked twice, then the execution is restarted", async () => {
  const { name, question } = waiting();
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  process.listening.add("o1");
  await process.answer(id, question);
  for (let round = 1; round <= 3; round++) {
    world.clock.jump(world.clock.now() + 31_000);
    await process.sweep();
  }
  expect(process.woken).toEqual(["o1", "o1", "o1"]);
  expect((await process.inbox(id)).poked).toBe(2);
  expect(process.starts.at(-1)).toMatchObject({ executionId: id, generation: 2 });
  expect(await process.drive(id, "o2")).toBe("completed");
});

test("a token nobody listens on: the execution is restarted under the next generation", async () => {
  const { name, question } = waiting();
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  await process.answer(id, question);
  world.clock.jump(world.clock.now() + minute);
  await process.sweep();
  expect(process.starts.at(-1)).toMatchObject({ generation: 2 });
  expect((await process.head(id)).facts.generation).toBe(2);
});

test("two sweeps at once restart an execution once", async () => {
  const { name, question } = waiting();
  const world = new World();
  const [here, there] = [world.process(), world.process()];
  const id = await here.start(name);
  await here.drive(id);
  await here.answer(id, question);
  world.clock.jump(world.clock.now() + minute);
  await Promise.all([here.sweep(), there.sweep()]);
  expect([...here.starts.slice(1), ...there.starts]).toHaveLength(1);
});

test("doubled and spurious wakes change nothing", async () => {
  const { name, question } = waiting();
  const process = new World().process();
  const id = await process.start(name);
  for (let wake = 0; wake < 3; wake++) expect(await process.drive(id)).toBe("waiting");
  expect(await process.entriesOf(id, "waiting")).toHaveLength(1);
  await process.answer(id, question);
  expect(await process.drive(id)).toBe("completed");
  const before = (await process.entries(id)).length;
  for (let wake = 0; wake < 3; wake++) expect(await process.drive(id)).toBe("completed");
  expect(await process.entries(id)).toHaveLength(before);
});

test("a doubled invocation of one orchestrator's advance leaves one outcome per call", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const work = checkpoint(step, async (x: number) => x + 1);
  flow(name, async () => work(await work(await work(0))));
  const process = new World().process();
  const id = await process.start(name);
  await Promise.all([process.drive(id), process.advance(id)]);
  expect(await process.status(id)).toBe("completed");
  expect(await process.output(id)).toBe(3);
  expect((await process.entriesOf(id, "completed")).map((entry) => entry.id)).toEqual([
    `${step}:0`,
    `${step}:1`,
    `${step}:2`,
  ]);
});

test("a due index that lags: what is not due any more is left alone", async () => {
  const { name } = waiting();
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const stale = await world.records.listIndex("due", { partition: "due/0" });
  await process.drive(id);
  process.listening.add("o1");
  world.records.listIndex = async () => stale;
  world.clock.jump(world.clock.now() + 1000);
  expect(await process.sweep()).toBe(1);
  expect(process.starts).toHaveLength(1);
  expect(process.woken).toEqual([]);
});

test("a due index that lags: an answer whose wake is on its way is not woken twice", async () => {
  const { name, question } = waiting();
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const stale = await world.records.listIndex("due", { partition: "due/0" });
  await process.drive(id);
  process.listening.add("o1");
  await process.answer(id, question);
  world.records.listIndex = async () => stale;
  await process.sweep();
  expect(process.woken).toEqual(["o1"]);
  expect((await process.inbox(id)).poked).toBeUndefined();
});

test("a due index that names what was deleted is no failure", async () => {
  const process = new World().process();
  await sweepExecution(process.context, "gone");
  expect(process.starts).toEqual([]);
});

test("a well parked execution is not disturbed: only its due time is repaired", async () => {
  const { name } = waiting();
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  world.clock.jump(world.clock.now() + minute); // past the grace the head carries since before the park
  await process.sweep();
  expect(process.woken).toEqual([]);
  expect(process.starts).toHaveLength(1);
  expect((await process.head(id)).dueAt).toBe((await process.inbox(id)).dueAt);
  expect(await process.sweep()).toBe(0);
});

test("a parked execution whose process is gone is restarted", async () => {
  const { name } = waiting();
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  process.gone.add("o1");
  world.clock.jump(world.clock.now() + minute);
  await process.sweep();
  expect(process.starts.at(-1)).toMatchObject({ executionId: id, generation: 2 });
});

test("an execution that is held is not restarted while its owner lives, and at once when that is gone", async () => {
  const [name, one, two] = [unique("flow"), unique("step"), unique("step")];
  const gate = new Gate();
  const first = checkpoint(one, () => 1);
  const second = checkpoint(two, () => gate.pass());
  flow(name, async () => {
    await first();
    await second();
  });
  const world = new World({ auto: false });
  const process = world.process();
  const id = await process.start(name);
  const driven = process.advance(id, "o1", { deadline: world.clock.now() + minute });
  await gate.entered;
  world.clock.jump(world.clock.now() + 10_000);
  await process.sweep();
  expect(process.starts).toHaveLength(1);
  const until = (await process.entriesOf(id, "advance"))[0]?.until;
  expect((await process.head(id)).dueAt).toBe(until);
  process.gone.add("o1");
  world.clock.jump((until ?? 0) - 1);
  expect(await process.sweep()).toBe(0);
  world.clock.jump(until ?? 0);
  await process.sweep();
  expect(process.starts).toHaveLength(2);
  gate.open();
  await driven;
});

test("an end that was journaled and not reported is reported by the sweep", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const work = checkpoint(step, () => 1);
  flow(name, async () => work());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  world.intercept = (draft, write) => {
    if (draft.sort === "head") throw new Error("killed");
    return write();
  };
  await expect(process.drive(id)).rejects.toThrow("killed");
  world.intercept = undefined;
  expect(await process.status(id)).toBe("completed");
  expect((await process.head(id)).view.status).toBe("queued");
  world.clock.jump(world.clock.now() + minute);
  await process.sweep();
  await process.drive(id, "o2");
  expect((await process.head(id)).view.status).toBe("completed");
  expect((await process.head(id)).dueAt).toBeUndefined();
  expect(await process.sweep()).toBe(0);
});

test("an inbox that is due on an ended execution is cleared, not restarted", async () => {
  const { name, question } = waiting();
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  await process.answer(id, question);
  world.intercept = (draft, write) => (draft.sort === "inbox" ? { ok: false } : write());
  await process.drive(id);
  world.intercept = undefined;
  expect((await process.inbox(id)).dueAt).toBeDefined();
  world.clock.jump(world.clock.now() + minute);
  expect(await process.sweep()).toBe(1);
  expect((await process.inbox(id)).dueAt).toBeUndefined();
  expect(process.starts).toHaveLength(1);
  expect(await process.sweep()).toBe(0);
});

test("an execution that cannot be read does not keep the sweep from the others", async () => {
  const broken = waiting();
  const fine = waiting();
  const world = new World();
  const process = world.process();
  const bad = await process.start(broken.name, undefined, "a-bad");
  const good = await process.start(fine.name, undefined, "b-good");
  for (const id of [bad, good]) await process.drive(id);
  await world.corrupt(bad, "j/000000", (body) => body.slice(5));
  for (const id of [good]) await process.answer(id, fine.question);
  world.clock.jump(world.clock.now() + minute);
  await expect(process.sweep()).rejects.toMatchObject({ code: "corrupt" });
  expect(process.starts.at(-1)).toMatchObject({ executionId: good });
});

test("a process that does not know the flow leaves it to one that does", async () => {
  const { name, question } = waiting();
  const world = new World();
  const here = world.process({ orchestrator: { canDrive: () => false } });
  const id = await here.start(name);
  await here.drive(id);
  await here.answer(id, question);
  world.clock.jump(world.clock.now() + minute);
  await here.sweep();
  expect(here.starts).toHaveLength(1);
});

test("a signal to an execution nobody drives sets it going where its flow is known", async () => {
  const { name, question } = waiting();
  const world = new World();
  const dead = world.process();
  const id = await dead.start(name);
  await dead.drive(id);
  const here = world.process({ orchestrator: { canDrive: () => true } });
  await here.answer(id, question);
  expect(here.starts).toMatchObject([{ executionId: id, generation: 2 }]);
});

test("a wake that fails does not fail the signal", async () => {
  const { name, question } = waiting();
  const world = new World();
  const process = world.process({
    orchestrator: {
      wake: async () => {
        throw new Error("no network");
      },
    },
  });
  const id = await process.start(name);
  await process.drive(id);
  await process.answer(id, question);
  expect((await process.inbox(id)).items).toHaveLength(1);
});

test("every execution is in the shard of its own, and the sweep visits all shards and pages", async () => {
  const world = new World({ capabilities: { dueShards: 4 }, pageSize: 2 });
  const process = world.process();
  const ids: string[] = [];
  for (let n = 0; n < 12; n++) {
    const { name, question } = waiting();
    const id = await process.start(name);
    await process.drive(id);
    await process.answer(id, question);
    ids.push(id);
  }
  const shards = await Promise.all(
    [0, 1, 2, 3].map(async (shard) => {
      const page = await world.records.listIndex("due", { partition: `due/${shard}` });
      return page.items.length;
    }),
  );
  expect(shards.filter((count) => count > 0).length).toBeGreaterThan(1);
  world.clock.jump(world.clock.now() + minute);
  expect(await process.sweep()).toBe(12);
  expect(new Set(process.starts.slice(12).map((start) => start.executionId))).toEqual(new Set(ids));
});

test("a heartbeat wakes an execution that waits for longer, and parks it again", async () => {
  const name = unique("flow");
  flow(name, async () => {
    await sleep("3 days");
    return "up";
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const from = world.clock.now();
  for (let day = 1; day <= 3; day++) {
    const { wakeAt } = await process.advanceToPark(id);
    expect(wakeAt).toBe(from + day * 86_400_000);
    world.clock.jump(wakeAt);
  }
  expect(await process.drive(id)).toBe("completed");
});
