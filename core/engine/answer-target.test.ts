import { expect, test } from "vitest";

import { World, unique } from "../../test/hazards/kit.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";
import { Registry } from "./definitions.ts";

/** An execution that rests on the first of two waits. */
async function resting() {
  const [name, first, later] = [unique("flow"), unique("first"), unique("later")];
  const [one, two] = [wait(first), wait(later)];
  flow(name, async () => {
    await one();
    await two();
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  return { world, process, id, first, later };
}

for (const kind of ["answer", "abort"] as const) {
  test(`${kind}: what is neither a name nor a call id is a usage error`, async () => {
    const { process, id } = await resting();
    for (const target of ["", ":", ":0", "a b", "a:", "a:01", "a:-1", "a:x", "1st", "a:0:0"])
      await expect(process.signal(id, { kind, target, value: undefined })).rejects.toMatchObject({
        code: "usage",
        message: expect.stringContaining(`${JSON.stringify(target)} is neither the name of a wait`),
      });
  });

  test(`${kind}: to a wait the program does not have is a state error that lists those it has`, async () => {
    const { process, id, first, later } = await resting();
    for (const target of ["misspelt", "misspelt:3"])
      await expect(process.signal(id, { kind, target, value: undefined })).rejects.toMatchObject({
        code: "not_found",
        message: expect.stringMatching(
          `Execution ${id} of flow ".*" has no wait "misspelt"\\. .*${first}, ${later}`,
        ),
      });
    expect((await process.inbox(id)).items).toEqual([]);
  });
}

test("where the code is not at hand, an answer to a wait nobody knows is kept", async () => {
  const { world, process, id, first, later } = await resting();
  const elsewhere = world.process({ registry: new Registry() });
  await elsewhere.answer(id, later);
  await elsewhere.answer(id, first);
  expect(await process.drive(id)).toBe("completed");
});

test("a program without any wait says so", async () => {
  const name = unique("flow");
  flow(name, async () => new Promise(() => undefined));
  const registry = new Registry();
  const definition = new World().process().context.program.flow(name);
  if (definition !== undefined) registry.add(definition);
  const process = new World().process({ registry });
  const id = await process.start(name);
  await expect(process.answer(id, "any")).rejects.toThrow(
    /has no wait "any"\. Its program defines: none\./,
  );
});
