import { expect, test } from "vitest";
import { Gate, World, unique } from "../../test/hazards/kit.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";
import { isReopened } from "./status.ts";

test("an execution goes from queued over running and waiting to its end", async () => {
  const [name, question, step] = [unique("flow"), unique("ask"), unique("step")];
  const gates = [new Gate(), new Gate()];
  const ask = wait(question);
  const work = checkpoint(step, (n: number) => gates[n]?.pass());
  flow(name, async () => {
    await work(2);
    await work(0);
    await ask();
    await work(1);
  });
  const process = new World({ auto: false }).process();
  const id = await process.start(name);
  expect(await process.status(id)).toBe("queued");
  const first = process.drive(id);
  await gates[0]?.entered;
  expect(await process.status(id)).toBe("running");
  gates[0]?.open();
  expect(await first).toBe("waiting");
  await process.answer(id, question);
  const second = process.drive(id);
  await gates[1]?.entered;
  expect(await process.status(id)).toBe("running");
  gates[1]?.open();
  expect(await second).toBe("completed");
});

test("one whose process died is queued again when its claim has run out", async () => {
  const [name, one, two] = [unique("flow"), unique("step"), unique("step")];
  const first = checkpoint(one, () => 1);
  const second = checkpoint(two, () => 1);
  flow(name, async () => {
    await first();
    await second();
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  world.intercept = (draft, write) => {
    if (draft.body.includes(`"${two}:0"`)) throw new Error("killed");
    return write();
  };
  await expect(process.drive(id)).rejects.toThrow("killed");
  expect(await process.status(id)).toBe("running");
  world.clock.jump(world.clock.now() + 60_000);
  expect(await process.status(id)).toBe("queued");
});

test("one that nobody knows: a state error", async () => {
  await expect(new World().process().status("nobody")).rejects.toMatchObject({
    code: "not_found",
  });
});

test("an end is reopened from the moment its retry is durable", async () => {
  const [name, bad] = [unique("flow"), unique("bad")];
  const gate = new Gate();
  let isBroken = true;
  const failing = checkpoint(bad, () => {
    if (isBroken) throw new Error("not yet");
    return gate.pass();
  });
  flow(name, async () => failing());
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  expect(await isReopened(process.context, id)).toBe(false);
  await process.signal(id, { kind: "retry" });
  expect(await isReopened(process.context, id)).toBe(true);
  expect(await process.status(id)).toBe("failed");
  isBroken = false;
  const driven = process.drive(id);
  await gate.entered;
  expect(await isReopened(process.context, id)).toBe(true);
  gate.open();
  await driven;
  expect(await isReopened(process.context, id)).toBe(false);
});
