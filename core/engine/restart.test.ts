import { expect, test, vi } from "vitest";
import { World, unique } from "../../test/hazards/kit.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { takeUpAwaited } from "./restart.ts";

function program(): string {
  const [name, step] = [unique("flow"), unique("step")];
  const work = checkpoint(step, () => 1);
  flow(name, async () => work());
  return name;
}

test("whoever waits for an execution leaves who has created it the time to begin, and then takes it up", async () => {
  const world = new World();
  const [creator, waiter] = [world.process(), world.process()];
  const id = await creator.start(program());
  await takeUpAwaited(waiter.context, id);
  expect(waiter.starts).toEqual([]);
  world.clock.jump(world.clock.now() + 10_000);
  await takeUpAwaited(waiter.context, id);
  expect(waiter.starts).toMatchObject([{ executionId: id, generation: 2 }]);
});

test("once begun, it is taken up when its process is known to be gone, and at once", async () => {
  const world = new World();
  const [creator, waiter] = [world.process(), world.process()];
  const id = await creator.start(program());
  world.intercept = async (draft, write) => {
    const result = await write();
    if (draft.sort.startsWith("j/")) throw new Error("killed");
    return result;
  };
  await expect(creator.drive(id)).rejects.toThrow("killed");
  world.intercept = undefined;
  const driver = await takeUpAwaited(waiter.context, id);
  expect([driver, waiter.starts]).toEqual(["o1", []]);
  const list = vi.spyOn(world.records, "list");
  expect(await takeUpAwaited(waiter.context, id, driver)).toBe("o1");
  expect(list).not.toHaveBeenCalled(); // the journal may be long, and one who waits looks often
  waiter.gone.add("o1");
  await takeUpAwaited(waiter.context, id, driver);
  expect(waiter.starts).toMatchObject([{ executionId: id, generation: 2 }]);
});
