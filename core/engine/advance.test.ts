import { expect, test } from "vitest";
import { z } from "zod";
import { World, unique } from "../../test/hazards/kit.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";

test("a stamp of the head never replaces a later one", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask().then(() => "answered"));
  const world = new World();
  const [late, quick] = [world.process(), world.process()];
  const id = await late.start(name);
  world.intercept = async (draft, write) => {
    if (draft.sort !== "head") return write();
    world.intercept = undefined;
    await quick.answer(id, question);
    await quick.drive(id);
    return write();
  };
  const directive = await late.advanceToPark(id);
  expect((await late.head(id)).view).toMatchObject({ status: "completed", epoch: 2 });
  expect(await late.park(id, directive)).toBe(false);
  expect(await late.drive(id)).toBe("completed");
});

test("a head that was lost behind the journal is repaired by every advance", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  world.intercept = (draft, write) =>
    draft.sort === "head" ? { ok: true, version: "no" } : write();
  await process.drive(id);
  world.intercept = undefined;
  expect((await process.head(id)).view).toMatchObject({ pos: 0, status: "queued" });
  await process.drive(id);
  expect((await process.head(id)).view).toMatchObject({
    status: "waiting",
    waits: [`${question}:0`],
  });
});

test("an execution that is given up although somebody else goes on with it is left to that", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask().then(() => "answered"));
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  world.intercept = (draft, write) => {
    if (draft.sort === "head") throw new Error("killed");
    return write();
  };
  for (let crash = 0; crash < 5; crash++)
    await expect(process.advance(id)).rejects.toThrow("killed");
  world.intercept = async (draft, write) => {
    if (!draft.body.includes("stalled")) return write();
    world.intercept = undefined;
    await process.answer(id, question);
    await process.advance(id);
    return write();
  };
  expect(await process.advance(id)).toMatchObject({ kind: "advance" });
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe("answered");
});

test("a retry that is taken in by two advances at once loses nothing that was said before", async () => {
  const [name, question, bad] = [unique("flow"), unique("ask"), unique("bad")];
  const ask = wait(question, { schema: z.string() });
  let isBroken = true;
  const world = new World();
  const process = world.process();
  const failing = checkpoint(bad, async () => {
    if (!isBroken) return "mended";
    await process.answer(id, question, "kept");
    throw new Error("not yet");
  });
  const opened = checkpoint(unique("opened"), () => world.clock.now());
  flow(name, async () => {
    const said = ask();
    await opened();
    return [await failing(), await said];
  });
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("failed");
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  let appends = 0;
  world.intercept = async (draft, write) => {
    if (!draft.sort.startsWith("j/") || ++appends !== 2) return write();
    world.intercept = undefined;
    await process.advance(id);
    return write();
  };
  await process.drive(id);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual(["mended", "kept"]);
});

test("an end that was taken in by nobody is reported once for every look, to observers too", async () => {
  const name = unique("flow");
  flow(name, async () => 5);
  const process = new World().process();
  const seen: unknown[] = [];
  process.context.observers.add({
    ended: ({ head }) => seen.push([head.view.status, head.view.out]),
  });
  const id = await process.start(name);
  await process.drive(id);
  await process.drive(id);
  expect(seen).toEqual([
    ["completed", { v: 5 }],
    ["completed", { v: 5 }],
  ]);
});
