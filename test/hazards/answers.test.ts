import { expect, test } from "vitest";
import { z } from "zod";
import { Registry } from "../../core/engine/definitions.ts";
import { checkpoint, flow, sleep, wait } from "../../core/index.ts";
import { World, unique } from "./kit.ts";

test("an answer before the question is kept for it", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.number() });
  flow(name, async () => (await ask()) + 1);
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.answer(id, question, 4)).toEqual({
    callId: `${question}:0`,
    repeated: false,
  });
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe(5);
});

test("an early answer counts for the first question only", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.number() });
  flow(name, async () => [await ask(), await ask()]);
  const process = new World().process();
  const id = await process.start(name);
  await process.answer(id, question, 1);
  expect(await process.answer(id, question, 1)).toMatchObject({ repeated: true });
  await expect(process.answer(id, question, 2)).rejects.toMatchObject({ code: "conflict" });
  expect(await process.drive(id)).toBe("waiting");
  await process.answer(id, question, 2);
  await process.drive(id);
  expect(await process.output(id)).toEqual([1, 2]);
});

test("an answer given in advance to a later question takes nothing from the earlier ones", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.boolean() });
  flow(name, async () => {
    await sleep("1h");
    return [await ask(), await ask(), await ask()];
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.answer(id, `${question}:2`, true);
  await process.drive(id); // it is taken in before anything is asked
  expect(await process.answer(id, question, true)).toEqual({
    callId: `${question}:0`,
    repeated: false,
  });
  expect(await process.answer(id, question, true)).toEqual({
    callId: `${question}:0`,
    repeated: true,
  });
  world.clock.jump(world.clock.now() + 3_600_000);
  expect(await process.drive(id)).toBe("waiting");
  expect(await process.answer(id, question, true)).toMatchObject({ callId: `${question}:1` });
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual([true, true, true]);
});

test("an answer between suspend and park makes the park fail", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask().then(() => 7));
  const process = new World().process();
  const id = await process.start(name);
  const directive = await process.advanceToPark(id);
  await process.answer(id, question);
  expect(await process.park(id, directive)).toBe(false);
  expect((await process.inbox(id)).items).toHaveLength(1);
  expect(await process.drive(id)).toBe("completed");
});

test("a park after the answer was adopted empties the inbox and loses nothing", async () => {
  const [name, one, two] = [unique("flow"), unique("ask"), unique("ask")];
  const [first, second] = [wait(one), wait(two)];
  flow(name, async () => {
    await first();
    await second();
  });
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  await process.answer(id, one);
  expect(await process.drive(id)).toBe("waiting");
  expect((await process.inbox(id)).items).toEqual([]);
  await process.answer(id, two);
  expect(await process.drive(id)).toBe("completed");
});

test("of two different answers from two processes one wins and the other is told", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.string() });
  flow(name, async () => ask());
  const world = new World();
  const [here, there] = [world.process(), world.process()];
  const id = await here.start(name);
  await here.drive(id);
  const told = await Promise.allSettled([
    here.answer(id, question, "a"),
    there.answer(id, question, "b"),
  ]);
  expect(told.map((result) => result.status).toSorted()).toEqual(["fulfilled", "rejected"]);
  expect(told.find((result) => result.status === "rejected")).toMatchObject({
    reason: { code: "conflict", message: expect.stringContaining(`${question}:0`) as string },
  });
  await here.drive(id);
  expect(await here.output(id)).toBe(told[0].status === "fulfilled" ? "a" : "b");
});

test("of two equal answers from two processes both are accepted and one counts", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.object({ ok: z.boolean() }) });
  flow(name, async () => ask());
  const world = new World();
  const [here, there] = [world.process(), world.process()];
  const id = await here.start(name);
  await here.drive(id);
  const told = await Promise.all([
    here.answer(id, question, { ok: true }),
    there.answer(id, question, { ok: true }),
  ]);
  expect(new Set(told.map(({ repeated }) => repeated))).toEqual(new Set([false, true]));
  await there.drive(id);
  expect(await here.entriesOf(id, "completed")).toHaveLength(1);
  expect(await here.answer(id, question, { ok: true })).toMatchObject({ repeated: true });
  await expect(here.answer(id, question, { ok: false })).rejects.toMatchObject({
    code: "conflict",
  });
});

test("an answer that was there first beats an expiry that is due", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.string(), timeout: "1h" });
  flow(name, async () => (await ask()) ?? "expired");
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  await process.answer(id, question, "in time");
  world.clock.jump(world.clock.now() + 7_200_000);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe("in time");
});

test("an answer that finds an expiry in the inbox is told so, before and after it is adopted", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.string(), timeout: "1h" });
  flow(name, async () => (await ask()) ?? "expired");
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  world.clock.jump(world.clock.now() + 3_600_000);
  world.intercept = (draft, write) => {
    if (draft.sort.startsWith("j/")) throw new Error("killed");
    return write();
  };
  await expect(process.advance(id)).rejects.toThrow("killed");
  world.intercept = undefined;
  expect((await process.inbox(id)).items).toMatchObject([{ kind: "expiry" }]);
  const late = { code: "conflict", message: expect.stringContaining("expired") as string };
  await expect(process.answer(id, question, "late")).rejects.toMatchObject(late);
  await process.drive(id);
  expect(await process.output(id)).toBe("expired");
  expect(await process.entriesOf(id, "completed")).toMatchObject([{ expired: true }]);
  await expect(process.answer(id, question, "late")).rejects.toMatchObject(late);
});

test("an answer that beats the expiry to the inbox makes the advance look again", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.string(), timeout: "1h" });
  flow(name, async () => (await ask()) ?? "expired");
  const world = new World();
  const [here, there] = [world.process(), world.process()];
  const id = await here.start(name);
  await here.drive(id);
  world.clock.jump(world.clock.now() + 3_600_000);
  world.intercept = async (draft, write) => {
    if (draft.sort !== "inbox" || !draft.body.includes("expiry")) return write();
    world.intercept = undefined;
    await there.answer(id, question, "just in time");
    return write();
  };
  expect(await here.drive(id)).toBe("completed");
  expect(await here.output(id)).toBe("just in time");
});

test("a wait that falls due while its advance runs expires through the inbox as well", async () => {
  const [name, question, step] = [unique("flow"), unique("ask"), unique("step")];
  const ask = wait(question, { schema: z.string(), timeout: 4000 });
  const world = new World();
  const process = world.process();
  const slow = checkpoint(step, () => {
    return new Promise<string>((resolve) => {
      world.clock.schedule(10_000, () => resolve("slow"));
    });
  });
  flow(name, async () => Promise.all([ask().then((said) => said ?? "expired"), slow()]));
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual(["expired", "slow"]);
  expect((await process.inbox(id)).items).toMatchObject([{ kind: "expiry" }]);
});

test("an answer that beats a live expiry to the inbox counts", async () => {
  const [name, question, step] = [unique("flow"), unique("ask"), unique("step")];
  const ask = wait(question, { schema: z.string(), timeout: 2000 });
  const world = new World();
  const [here, there] = [world.process(), world.process()];
  const slow = checkpoint(step, () => {
    return new Promise<string>((resolve) => {
      world.clock.schedule(2500, () => resolve("slow"));
    });
  });
  flow(name, async () => Promise.all([ask().then((said) => said ?? "expired"), slow()]));
  const id = await here.start(name);
  world.intercept = async (draft, write) => {
    if (draft.sort !== "inbox" || !draft.body.includes("expiry")) return write();
    world.intercept = undefined;
    await there.answer(id, question, "just in time");
    return write();
  };
  expect(await here.drive(id)).toBe("completed");
  expect(await here.output(id)).toEqual(["just in time", "slow"]);
});

test("a double click in a loop never approves the next round", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const approve = wait(question);
  flow(name, async () => {
    await approve();
    await approve();
  });
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  expect(await process.answer(id, question)).toEqual({ callId: `${question}:0`, repeated: false });
  expect(await process.answer(id, question)).toEqual({ callId: `${question}:0`, repeated: true });
  expect(await process.drive(id)).toBe("waiting");
  // a link names the call it was made for
  expect(await process.answer(id, `${question}:0`)).toMatchObject({ repeated: true });
  expect(await process.drive(id)).toBe("waiting");
  expect((await process.head(id)).view.waits).toEqual([`${question}:1`]);
});

test("an answer that does not fit leaves the wait pending and says why", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.object({ score: z.number() }) });
  flow(name, async () => (await ask()).score);
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  await expect(process.answer(id, question, { score: "high" })).rejects.toMatchObject({
    code: "wait_validation",
    message: expect.stringMatching(/score[\s\S]*stays pending/) as string,
  });
  expect((await process.inbox(id)).items).toEqual([]);
  await process.answer(id, question, { score: 3 });
  await process.drive(id);
  expect(await process.output(id)).toBe(3);
});

test("what a transforming schema makes of the answer is recorded; the same answer again is a repeat", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.string().transform((text) => text.length) });
  flow(name, async () => ask());
  const world = new World();
  const [here, elsewhere] = [world.process(), world.process({ registry: new Registry() })];
  const id = await here.start(name);
  await here.drive(id);
  await elsewhere.answer(id, question, "four");
  expect(await elsewhere.answer(id, question, "four")).toMatchObject({ repeated: true });
  await here.drive(id);
  expect(await here.output(id)).toBe(4);
  expect(await here.answer(id, question, "four")).toMatchObject({ repeated: true });
  expect(await elsewhere.answer(id, question, "four")).toMatchObject({ repeated: true });
  await expect(elsewhere.answer(id, question, "other")).rejects.toMatchObject({
    code: "conflict",
  });
});

test("a process without the code checks an answer against the recorded schema", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.object({ ok: z.boolean() }) });
  flow(name, async () => ask());
  const world = new World();
  const [here, elsewhere] = [world.process(), world.process({ registry: new Registry() })];
  const id = await here.start(name);
  await here.drive(id);
  await expect(elsewhere.answer(id, question, { ok: "yes" })).rejects.toMatchObject({
    code: "wait_validation",
  });
  await elsewhere.answer(id, question, { ok: true });
  await here.drive(id);
  expect(await here.output(id)).toEqual({ ok: true });
});

test("a raw answer that turns out not to fit is refused by the advance and leaves the wait pending", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, {
    schema: z.string().refine((text) => text.length < 5, "too long"),
  });
  flow(name, async () => ask());
  const world = new World();
  const [here, elsewhere] = [world.process(), world.process({ registry: new Registry() })];
  const id = await here.start(name);
  await here.drive(id);
  await elsewhere.answer(id, question, "far too long");
  expect(await here.drive(id)).toBe("waiting");
  expect(await here.entriesOf(id, "rejected")).toMatchObject([
    { id: `${question}:0`, reason: expect.stringContaining("too long") as string },
  ]);
  await here.answer(id, question, "ok");
  await here.drive(id);
  expect(await here.output(id)).toBe("ok");
});

test("a refused raw answer does not keep a wait from expiring", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const schema = z.string().refine((text) => text.length < 5, "too long");
  const ask = wait(question, { schema, timeout: "1h" });
  flow(name, async () => (await ask()) ?? "expired");
  const world = new World();
  const [here, elsewhere] = [world.process(), world.process({ registry: new Registry() })];
  const id = await here.start(name);
  await here.drive(id);
  await elsewhere.answer(id, question, "far too long");
  world.clock.jump(world.clock.now() + 3_600_000);
  expect(await here.drive(id)).toBe("completed");
  expect(await here.output(id)).toBe("expired");
});

test("a gate takes no value: continue, or abort", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const gate = wait(question);
  flow(name, async () => typeof (await gate()));
  const world = new World();
  const [here, elsewhere] = [world.process(), world.process({ registry: new Registry() })];
  const id = await here.start(name);
  await here.drive(id);
  for (const process of [here, elsewhere])
    for (const value of [false, "yes", 0])
      await expect(process.answer(id, question, value)).rejects.toMatchObject({
        code: "wait_validation",
        message: expect.stringContaining("abort") as string,
      });
  await elsewhere.answer(id, question, true);
  await here.drive(id);
  expect(await here.output(id)).toBe("undefined");
});

test("a refusal given to a gate before it is asked, by a process without the code, never opens it", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const gate = wait(question);
  flow(name, async () => typeof (await gate()));
  const world = new World();
  const [here, elsewhere] = [world.process(), world.process({ registry: new Registry() })];
  const id = await here.start(name);
  await elsewhere.answer(id, question, false);
  expect(await here.drive(id)).toBe("waiting");
  expect(await here.entriesOf(id, "rejected")).toHaveLength(1);
  await elsewhere.answer(id, question, true);
  await here.drive(id);
  expect(await here.output(id)).toBe("undefined");
});

test("an abort throws wait_aborted at the wait; uncaught it fails the execution", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async (isCaught: boolean) => {
    if (!isCaught) return ask();
    return ask().catch((error: Error & { code?: string }) => error.code);
  });
  const process = new World().process();
  for (const isCaught of [true, false]) {
    const id = await process.start(name, isCaught, `${name}-${String(isCaught)}`);
    await process.drive(id);
    await process.signal(id, { kind: "abort" });
    expect(await process.signal(id, { kind: "abort", target: question })).toMatchObject({
      repeated: true,
    });
    await expect(process.answer(id, question)).rejects.toMatchObject({ code: "conflict" });
    expect(await process.drive(id)).toBe(isCaught ? "completed" : "failed");
    expect((await process.output(id)) ?? (await process.failure(id))?.code).toBe("wait_aborted");
    expect(await process.signal(id, { kind: "abort", target: question })).toMatchObject({
      repeated: true,
    });
    await expect(process.answer(id, question)).rejects.toMatchObject({ code: "conflict" });
  }
});

test("an answer without a target goes to the one pending wait, or lists what is pending", async () => {
  const [name, one, two] = [unique("flow"), unique("ask"), unique("ask")];
  const [first, second] = [wait(one), wait(two)];
  flow(name, async () => Promise.all([first(), first(), second()]));
  const process = new World().process();
  const id = await process.start(name);
  const answer = (target?: string) =>
    process.signal(id, {
      kind: "answer",
      value: undefined,
      ...(target === undefined ? {} : { target }),
    });
  await expect(answer()).rejects.toThrow("has no pending wait");
  await process.drive(id);
  await expect(answer()).rejects.toThrow(`${one}:0, ${one}:1, ${two}:0`);
  await expect(answer(one)).rejects.toThrow(`${one}:0, ${one}:1`);
  await answer(`${one}:1`);
  expect(await answer(one)).toEqual({ callId: `${one}:0`, repeated: false });
  expect(await answer()).toEqual({ callId: `${two}:0`, repeated: false });
  await expect(answer()).rejects.toThrow("has no pending wait");
  expect(await process.drive(id)).toBe("completed");
  await expect(answer()).rejects.toThrow("has ended (completed)");
  await expect(answer(`${two}:1`)).rejects.toThrow("can no longer be answered");
});

test("only waits can be answered, only executions that exist", async () => {
  const [name, question, step] = [unique("flow"), unique("ask"), unique("step")];
  const ask = wait(question);
  const work = checkpoint(step, () => 1);
  flow(name, async () => {
    await work();
    await ask();
  });
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  await expect(process.answer(id, step)).rejects.toThrow(`"${step}" of execution ${id}`);
  await expect(process.answer(id, `${step}:0`)).rejects.toThrow("is not a wait but a checkpoint");
  await expect(process.answer("nobody", question)).rejects.toMatchObject({ code: "not_found" });
});

test("a large answer goes through the blob store", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.string() });
  flow(name, async () => (await ask()).length);
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  await process.answer(id, question, "x".repeat(100_000));
  expect(JSON.stringify(await process.inbox(id)).length).toBeLessThan(1000);
  await process.drive(id);
  expect(await process.output(id)).toBe(100_000);
});
