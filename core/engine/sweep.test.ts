import { expect, test } from "vitest";
import { World, unique } from "../../test/hazards/kit.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";

const minute = 60_000;

test("an execution whose process died between two writes is restarted when its claim has run out", async () => {
  const [name, one, two] = [unique("flow"), unique("step"), unique("step")];
  const first = checkpoint(one, () => 1);
  const second = checkpoint(two, () => 2);
  flow(name, async () => (await first()) + (await second()));
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  world.intercept = (draft, write) => {
    if (draft.body.includes(`"${two}:0"`)) throw new Error("killed");
    return write();
  };
  await expect(process.drive(id)).rejects.toThrow("killed");
  world.intercept = undefined;
  world.clock.jump(world.clock.now() + 10_000);
  await process.sweep();
  expect(process.starts).toHaveLength(1); // it may yet be alive
  world.clock.jump(world.clock.now() + minute);
  await process.sweep();
  expect(process.starts.at(-1)).toMatchObject({ generation: 2 });
  expect(await process.drive(id, "o2")).toBe("completed");
  expect(await process.output(id)).toBe(3);
});

test("a retry whose wake was lost is found although the execution has ended", async () => {
  const [name, bad] = [unique("flow"), unique("bad")];
  let isBroken = true;
  const failing = checkpoint(bad, () => {
    if (isBroken) throw new Error("not yet");
    return "mended";
  });
  flow(name, async () => failing());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  world.clock.jump(world.clock.now() + minute);
  expect(await process.sweep()).toBe(1);
  expect(process.starts.at(-1)).toMatchObject({ executionId: id, generation: 2 });
  expect(await process.drive(id, "o2")).toBe("completed");
  expect(await process.sweep()).toBe(0);
});

test("a park whose heartbeat nobody heard is poked, then restarted", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  process.listening.add("o1");
  world.clock.jump(world.clock.now() + 86_400_000 + 5000);
  await process.sweep();
  expect(process.woken).toEqual(["o1"]);
  process.listening.delete("o1");
  world.clock.jump(world.clock.now() + minute);
  await process.sweep();
  expect(process.starts.at(-1)).toMatchObject({ generation: 2 });
  expect(await process.drive(id, "o2")).toBe("waiting");
});

test("what rests is taken over at once by a later start of its orchestration, and the earlier one ends", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const hour = { deadline: world.clock.now() + 60 * minute };
  const first = await process.advance(id, "first", { ...hour, generation: 1 });
  if (first.kind !== "park") throw new Error("it was to park");
  await process.park(id, first, "first");
  await process.signal(id, { kind: "answer", target: question, value: undefined });
  const pokes: number[] = [];
  process.listening.add("first"); // and hears nothing
  for (let sweeps = 1; process.starts.length === 1; sweeps++) {
    world.clock.jump(world.clock.now() + minute);
    await process.sweep();
    pokes.push(sweeps);
  }
  expect(pokes).toHaveLength(3);
  expect(process.starts.at(-1)).toMatchObject({ executionId: id, generation: 2 });
  // without saying which start it is, it would have to wait for the claim to run out
  expect(await process.advance(id, "stranger", hour)).toEqual({ kind: "end" });
  const second = await process.advance(id, "second", { ...hour, generation: 2 });
  expect(second).toMatchObject({ kind: "end", ended: { status: "completed" } });
});

test("what is at work is not taken over by a later start, and an earlier one never", async () => {
  const [name, one, question] = [unique("flow"), unique("step"), unique("ask")];
  const ask = wait(question);
  const first = checkpoint(one, () => 1);
  flow(name, async () => {
    await first();
    await ask();
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const hour = { deadline: world.clock.now() + 60 * minute };
  world.intercept = (draft, write) => {
    if (draft.body.includes(`"${one}:0"`)) throw new Error("killed");
    return write();
  };
  const killed = process.advance(id, "second", { ...hour, generation: 2 });
  await expect(killed).rejects.toThrow("killed");
  world.intercept = undefined;
  expect(await process.advance(id, "third", { ...hour, generation: 3 })).toEqual({ kind: "end" });
  const again = await process.advance(id, "second", { ...hour, generation: 2 });
  expect(again.kind).toBe("park");
  world.clock.jump(world.clock.now() + 61 * minute + 10_000);
  expect(await process.advance(id, "first", { ...hour, generation: 1 })).toEqual({ kind: "end" });
});

test("a head that is due at the right time already is not written again", async () => {
  const [name, one, two] = [unique("flow"), unique("step"), unique("step")];
  const first = checkpoint(one, () => 1);
  const second = checkpoint(two, () => new Promise(() => undefined));
  flow(name, async () => {
    await first();
    await second();
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.advance(id, "o1", { deadline: world.clock.now() + 5000 });
  await process.signal(id, { kind: "cancel" });
  world.clock.jump(world.clock.now() + 4000);
  const before = world.written.length;
  expect(await process.sweep()).toBe(1);
  expect(await process.sweep()).toBe(0);
  expect(world.written.slice(before).map((draft) => draft.sort)).toEqual(["head"]);
});
