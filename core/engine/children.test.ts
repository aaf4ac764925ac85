import { expect, test } from "vitest";
import { World, flowNamed, unique } from "../../test/hazards/kit.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";
import { Registry } from "./definitions.ts";

function family() {
  const [name, inner, question] = [unique("flow"), unique("child"), unique("ask")];
  const ask = wait(question);
  const child = flow(inner, async () => ask().then(() => "answered"));
  flow(name, async () => child.call());
  return { name, inner, question };
}

test("a program that does not define the child's flow leaves its start to one that does", async () => {
  const { name, inner } = family();
  const world = new World();
  const here = world.process();
  const id = await here.start(name);
  const childId = `${id}/${inner}:0`;
  world.intercept = (draft, write) => {
    if (draft.partition === `exec/${childId}`) throw new Error("killed");
    return write();
  };
  await expect(here.drive(id)).rejects.toThrow("killed");
  world.intercept = undefined;
  const registry = new Registry();
  registry.add(flowNamed(name));
  const elsewhere = world.process({ registry });
  expect(await elsewhere.drive(id)).toBe("waiting");
  expect(elsewhere.starts).toEqual([]);
  await here.drive(id);
  expect(await here.drive(childId)).toBe("waiting");
});

test("a parent that was deleted keeps no child from ending", async () => {
  const { name, inner, question } = family();
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  const childId = `${id}/${inner}:0`;
  await process.drive(childId);
  const { items } = await world.records.list({ partition: `exec/${id}` });
  for (const item of items) await world.records.delete(item, item.version);
  await process.answer(childId, question);
  expect(await process.drive(childId)).toBe("completed");
  expect((await process.head(childId)).dueAt).toBeUndefined();
});

test("a store that fails while a child is cancelled fails the advance, which is repeated", async () => {
  const { name, inner } = family();
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  const childId = `${id}/${inner}:0`;
  await process.drive(childId);
  await process.signal(id, { kind: "cancel" });
  world.intercept = (draft, write) => {
    if (draft.partition === `exec/${childId}`) throw new Error("unreachable");
    return write();
  };
  await expect(process.drive(id)).rejects.toThrow("unreachable");
  world.intercept = undefined;
  expect(await process.drive(id)).toBe("cancelled");
  expect(await process.drive(childId)).toBe("cancelled");
});

test("a child cancelled by somebody else fails its call, and a retry of the parent cannot change that", async () => {
  const { name, inner } = family();
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  const childId = `${id}/${inner}:0`;
  await process.drive(childId);
  await process.signal(childId, { kind: "cancel" });
  await process.drive(childId);
  for (let round = 0; round < 2; round++) {
    expect(await process.drive(id)).toBe("failed");
    expect(await process.failure(id)).toMatchObject({ code: "cancelled" });
    await process.signal(id, { kind: "retry" });
  }
  expect(await process.status(childId)).toBe("cancelled");
});

test("a parent that was cancelled after a retry cancels its child again", async () => {
  const { name, inner, question } = family();
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  const childId = `${id}/${inner}:0`;
  await process.drive(childId);
  world.intercept = (draft, write) => {
    if (draft.partition === `exec/${id}` && draft.sort === "head") throw new Error("killed");
    return write();
  };
  for (let crash = 0; crash < 5; crash++) await expect(process.drive(id)).rejects.toThrow("killed");
  world.intercept = undefined;
  expect(await process.drive(id)).toBe("failed");
  expect(await process.failure(id)).toMatchObject({ code: "stalled" });
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("waiting");
  await process.signal(id, { kind: "cancel" });
  expect(await process.drive(id)).toBe("cancelled");
  expect(await process.drive(childId)).toBe("cancelled");
  await expect(process.answer(childId, question)).rejects.toThrow("can no longer be answered");
});
