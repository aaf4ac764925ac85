import { expect, test, vi } from "vitest";
import { type Process, World, unique } from "../../test/hazards/kit.ts";
import { headDraft, headKey, readHead } from "../journal/head.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";

const minute = 60_000;

function program(): string {
  const [name, step] = [unique("flow"), unique("step")];
  const work = checkpoint(step, () => 1);
  flow(name, async () => work());
  return name;
}

/** An execution whose process is killed after it has claimed it. */
async function atWork(world: World, process: Process, name: string, id: string): Promise<void> {
  await process.start(name, undefined, id);
  world.intercept = async (draft, write) => {
    const result = await write();
    if (draft.sort.startsWith("j/")) throw new Error("killed");
    return result;
  };
  await expect(process.drive(id)).rejects.toThrow("killed");
  world.intercept = undefined;
}

const sweeper = (world: World): Process => world.process({ orchestrator: { drives: () => false } });

test("what a process that is gone had at work is taken up before it is overdue, what is damaged beside it is told", async () => {
  const world = new World();
  const [gone, process] = [world.process(), sweeper(world)];
  const name = program();
  for (const id of ["a", "b", "c"]) await atWork(world, gone, name, id);
  await world.corrupt("a", "j/000000", () => '{"t":"sta');
  await world.corrupt("b", "head", () => "{");
  process.gone.add("o1");
  await expect(process.sweep()).rejects.toMatchObject({ code: "corrupt" });
  expect(process.starts).toMatchObject([{ executionId: "c", generation: 2 }]);
});

test("where many executions rest, not every sweep looks among them", async () => {
  const world = new World();
  const [starting, process] = [world.process(), sweeper(world)];
  const id = await starting.start(program());
  const head = readHead((await world.records.get(headKey(id)))!);
  for (let index = 0; index < 2500; index++) {
    const facts = { ...head.facts, id: `resting-${index}` };
    const dueAt = world.clock.now() + minute;
    const resting = { facts, view: { ...head.view, status: "waiting" }, dueAt } as const;
    await world.records.put(headDraft(resting, 1), "absent");
  }
  const listIndex = vi.spyOn(world.records, "listIndex");
  const looked: boolean[] = [];
  for (let sweeps = 0; sweeps < 5; sweeps++) {
    listIndex.mockClear();
    await process.sweep();
    looked.push(listIndex.mock.calls.some(([, { from }]) => from !== undefined));
  }
  expect(looked).toEqual([true, false, false, true, false]);
});
