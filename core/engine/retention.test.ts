import { expect, test } from "vitest";
import { World, type Process, unique } from "../../test/hazards/kit.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";
import { startReplay } from "./replay/start-replay.ts";

const hour = 3_600_000;
const capabilities = { retentionMs: hour };

/** A flow of several segments that asks once, and fails while `isBroken`. */
function makeFlow() {
  const [name, step, question, end] = [
    unique("flow"),
    unique("step"),
    unique("ask"),
    unique("end"),
  ];
  const state = { isBroken: false };
  const work = checkpoint(step, (n: number) => n);
  const ask = wait(question);
  const finish = checkpoint(end, () => {
    if (state.isBroken) throw new Error("not yet");
    return "done";
  });
  flow(name, async () => {
    for (let n = 0; n < 6; n++) await work(n);
    await ask();
    return finish();
  });
  const answer = { kind: "answer", target: question, value: undefined } as const;
  return { name, state, answer };
}

/** Times at which the records of an execution expire. */
async function expiries(world: World, id: string): Promise<readonly (number | undefined)[]> {
  const { items } = await world.records.list({ partition: `exec/${id}` });
  expect(items.length).toBeGreaterThan(3);
  return [...new Set(items.map(({ expiresAt }) => expiresAt))];
}

async function completed(process: Process, { name, answer }: ReturnType<typeof makeFlow>) {
  const id = await process.start(name);
  await process.drive(id);
  await process.signal(id, answer);
  await process.drive(id);
  return id;
}

test("an ended execution is kept for the retention, vanishes as a whole, and leaves its id", async () => {
  const made = makeFlow();
  const world = new World({ capabilities, auto: false });
  const process = world.process();
  const id = await process.start(made.name);
  expect(await process.drive(id)).toBe("waiting");
  expect(await expiries(world, id)).toEqual([undefined]);
  await process.signal(id, made.answer);
  expect(await process.drive(id)).toBe("completed");
  const [at, ...others] = await expiries(world, id);
  expect(others).toEqual([]);
  expect(at).toBe(Math.ceil((world.clock.now() + hour) / 1000) * 1000);
  world.clock.jump((at ?? 0) - 1);
  expect(await process.output(id)).toBe("done");
  world.clock.jump(at ?? 0);
  expect((await world.records.list({ partition: `exec/${id}` })).items).toEqual([]);
  await expect(process.drive(id)).rejects.toMatchObject({ code: "not_found" });
  await process.start(made.name, undefined, id);
  expect(await process.drive(id)).toBe("waiting");
});

test("a sweep deletes what has expired, so much at a time", async () => {
  const world = new World({ capabilities, auto: false });
  const process = world.process();
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) ids.push(await completed(process, makeFlow()));
  const stays = await process.start(makeFlow().name);
  await process.drive(stays);
  world.clock.jump(world.clock.now() + 2 * hour);
  await process.sweep();
  expect(await world.records.deleteExpired?.(1000)).toBe(0);
  expect((await world.records.list({ partition: `exec/${stays}` })).items.length).toBeGreaterThan(
    1,
  );
  for (const id of ids)
    expect((await world.records.list({ partition: `exec/${id}` })).items).toEqual([]);
});

test("killed before and after each write of its end, all of it expires all the same", async () => {
  for (let kill = 1, isOver = false; !isOver; kill++)
    for (const isApplied of [false, true]) {
      const made = makeFlow();
      const world = new World({ capabilities });
      const process = world.process();
      const id = await process.start(made.name);
      await process.drive(id);
      await process.signal(id, made.answer);
      let writes = 0;
      world.intercept = async (_draft, write) => {
        writes += 1;
        if (writes < kill) return write();
        if (writes === kill && isApplied) await write();
        throw new Error("killed");
      };
      isOver = await process.drive(id).then(
        () => true,
        () => false,
      );
      world.intercept = undefined;
      for (let sweeps = 0; sweeps < 4; sweeps++) {
        world.clock.jump(world.clock.now() + 60_000);
        await process.sweep();
        await process.drive(id, `o${sweeps + 2}`);
      }
      const found = await expiries(world, id);
      expect({ kill, isApplied, found }).toEqual({ kill, isApplied, found: [expect.any(Number)] });
    }
});

test("a retried execution is kept, and expires after its next end", async () => {
  const made = makeFlow();
  made.state.isBroken = true;
  const world = new World({ capabilities, auto: false });
  const process = world.process();
  const id = await completed(process, made);
  const [first] = await expiries(world, id);
  world.clock.jump(world.clock.now() + hour / 2);
  made.state.isBroken = false;
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("completed");
  const [second, ...others] = await expiries(world, id);
  expect(others).toEqual([]);
  expect(second).toBe((first ?? 0) + hour / 2);
});

test("while a retried execution goes on, nothing of it is to be deleted", async () => {
  const made = makeFlow();
  made.state.isBroken = true;
  const world = new World({ capabilities });
  const process = world.process();
  const id = await completed(process, made);
  made.state.isBroken = false;
  await process.signal(id, { kind: "retry" });
  let seen: readonly (number | undefined)[] | undefined;
  world.intercept = async (draft, write) => {
    if (draft.body.includes('"t":"ended","status":"completed"')) seen ??= await expiries(world, id);
    return write();
  };
  await process.drive(id);
  expect(seen).toEqual([undefined]);
});

test("without a retention everything stays", async () => {
  const world = new World();
  const process = world.process();
  const id = await completed(process, makeFlow());
  expect(await expiries(world, id)).toEqual([undefined]);
  world.clock.jump(world.clock.now() + 1000 * hour);
  expect(await process.output(id)).toBe("done");
});

test("what a replay under way reads is kept, though it was to be deleted", async () => {
  const made = makeFlow();
  const world = new World({ capabilities, auto: false });
  const process = world.process();
  const id = await completed(process, made);
  expect(await expiries(world, id)).toEqual([expect.any(Number)]);
  const replay = await startReplay(process.context, { source: id, id: "replay", stack: "memory" });
  expect(await process.drive(replay.facts.id)).toBe("completed");
  expect(await expiries(world, id)).toEqual([undefined]);
  expect(await expiries(world, "replay")).toEqual([expect.any(Number)]);
});
