import { expect, test } from "vitest";
import { z } from "zod";
import { flow, wait } from "../../core/index.ts";
import { World, unique } from "./kit.ts";

function waiting(): string {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async (input: unknown) => {
    await ask();
    return input;
  });
  return name;
}

test("the same id and input: the existing execution, set going again only while it is queued", async () => {
  const name = waiting();
  const process = new World().process();
  const id = await process.start(name, { a: 1, b: [2] });
  await process.start(name, { b: [2], a: 1 });
  expect(process.starts).toHaveLength(2);
  await process.drive(id);
  await process.start(name, { a: 1, b: [2] });
  expect(process.starts).toHaveLength(2);
  await process.signal(id, { kind: "answer", value: undefined });
  await process.drive(id);
  await process.start(name, { a: 1, b: [2] });
  expect(process.starts).toHaveLength(2);
  expect(await process.output(id)).toEqual({ a: 1, b: [2] });
});

test("two processes that start at once: one execution", async () => {
  const name = waiting();
  const world = new World();
  const [here, there] = [world.process(), world.process()];
  await Promise.all([here.start(name, 1), there.start(name, 1)]);
  expect(world.writesOf(/^head$/)).toBe(1);
});

test("the same id with another input or flow: a state error that says which", async () => {
  const [name, other] = [waiting(), waiting()];
  const process = new World().process();
  await process.start(name, 1, "same");
  await expect(process.start(name, 2, "same")).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining("exists already with another input") as string,
  });
  await expect(process.start(other, 1, "same")).rejects.toThrow(`of flow "${name}"`);
  expect(await process.drive("same")).toBe("waiting");
});

test("an input that does not fit its schema, an id that is not allowed: nothing is stored", async () => {
  const name = unique("flow");
  flow(name, { input: z.object({ n: z.number() }) }, async ({ n }) => n);
  const world = new World();
  const process = world.process();
  await expect(process.start(name, { n: "one" })).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining(`The input of flow "${name}" does not fit`) as string,
  });
  for (const id of ["", " x", "-x", "a b", "x".repeat(201)])
    await expect(process.start(name, { n: 1 }, id)).rejects.toMatchObject({ code: "usage" });
  expect(world.writesOf(/^head$/)).toBe(0);
});

test("what the schema makes of the input is what the flow gets", async () => {
  const name = unique("flow");
  flow(name, { input: z.object({ n: z.coerce.number() }) }, async ({ n }) => n + 1);
  const process = new World().process();
  const id = await process.start(name, { n: "41" });
  await process.drive(id);
  expect(await process.output(id)).toBe(42);
});

test("a start that dies before the orchestration is begun is found by the sweep", async () => {
  const name = waiting();
  const world = new World();
  const dying = world.process({
    orchestrator: {
      start: async () => {
        throw new Error("killed");
      },
    },
  });
  await expect(dying.start(name, 1)).rejects.toThrow("killed");
  const process = world.process();
  expect(await process.sweep()).toBe(0);
  world.clock.jump(world.clock.now() + 5000);
  expect(await process.sweep()).toBe(1);
  expect(process.starts).toMatchObject([{ executionId: `x-${name}`, flow: name, generation: 2 }]);
  expect(await process.drive(`x-${name}`)).toBe("waiting");
});

test("an execution that is deleted while it is started again: an error that says to start again", async () => {
  const name = waiting();
  const world = new World();
  const process = world.process();
  world.intercept = (draft, write) => (draft.sort === "head" ? { ok: false } : write());
  await expect(process.start(name, 1)).rejects.toThrow("was deleted while it was being started");
});

test("a flow is noted once for each process, so that executions can be listed across flows", async () => {
  const name = waiting();
  const world = new World();
  const process = world.process();
  for (const id of ["one", "two"]) await process.start(name, 1, id);
  expect(world.written.filter((draft) => draft.partition === "flows")).toMatchObject([
    { sort: name },
  ]);
});
