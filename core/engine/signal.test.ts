import { expect, test } from "vitest";
import { z } from "zod";
import { World, unique } from "../../test/hazards/kit.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";
import { Registry } from "./definitions.ts";

test("an abort of a wait that was answered is told what stands", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.number() });
  flow(name, async () => ask());
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  await process.answer(id, question, 1);
  await expect(process.signal(id, { kind: "abort", target: question })).rejects.toMatchObject({
    code: "conflict",
    details: { call: `${question}:0`, how: "answered" },
  });
});

test("an abort before the question is kept for it", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask().catch((error: Error & { code?: string }) => error.code));
  const process = new World().process();
  const id = await process.start(name);
  await process.signal(id, { kind: "abort", target: question });
  await process.drive(id);
  expect(await process.output(id)).toBe("wait_aborted");
});

test("a wait whose schema has no JSON form is checked by the advance alone", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, {
    schema: {
      "~standard": {
        version: 1,
        vendor: "own",
        validate: (value: unknown) =>
          typeof value === "number" ? { value } : { issues: [{ message: "a number, please" }] },
      },
    },
  });
  flow(name, async () => ask());
  const world = new World();
  const [here, elsewhere] = [world.process(), world.process({ registry: new Registry() })];
  const id = await here.start(name);
  await here.drive(id);
  await elsewhere.answer(id, question, "text");
  expect(await here.drive(id)).toBe("waiting");
  expect(await here.entriesOf(id, "rejected")).toMatchObject([{ reason: "a number, please" }]);
  await elsewhere.answer(id, question, 5);
  await here.drive(id);
  expect(await here.output(id)).toBe(5);
});

test("an answer goes to the token that is parked, else to whoever advances", async () => {
  const [name, question, step] = [unique("flow"), unique("ask"), unique("step")];
  const ask = wait(question);
  const work = checkpoint(step, () => 1);
  flow(name, async () => {
    await work();
    await ask();
  });
  const process = new World().process();
  const id = await process.start(name);
  await process.answer(id, question);
  expect(process.woken).toEqual([]); // nobody has ever looked
  const directive = await process.advance(id, "advancing");
  expect(directive).toMatchObject({ kind: "end" });
  const other = await process.start(name, undefined, `${id}-2`);
  const parked = await process.advanceToPark(other, "advancing");
  await process.park(other, parked, "parked");
  await process.answer(other, question);
  expect(process.woken).toEqual(["parked"]);
});

test("a child's end that is told twice is there once", async () => {
  const [name, inner] = [unique("flow"), unique("child")];
  const child = flow(inner, async () => "done");
  flow(name, async () => child.call());
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  const end = { kind: "child", call: `${inner}:0`, out: { v: "done" } } as const;
  expect(await process.signal(id, end)).toEqual({ callId: `${inner}:0`, repeated: false });
  expect(await process.signal(id, end)).toEqual({ repeated: true });
  await process.drive(id);
  expect(await process.signal(id, end)).toEqual({ repeated: true });
});
