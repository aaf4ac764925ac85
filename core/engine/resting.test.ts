import { expect, test } from "vitest";
import { World, unique } from "../../test/hazards/kit.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";
import type { LoadedExecution } from "../journal/load.ts";
import { Resting } from "./resting.ts";
import { load } from "./session.ts";

async function rested(options: { readonly filler?: string } = {}) {
  const [name, question, step] = [unique("flow"), unique("ask"), unique("step")];
  const ask = wait(question);
  const work = checkpoint(step, () => [options.filler ?? "made"]);
  flow(name, async () => {
    const made = await work();
    made.push(await ask().then(() => "approved"));
    made.push(await ask().then(() => "approved again"));
    return made;
  });
  const world = new World();
  let listings = 0;
  world.beforePage = () => void listings++;
  const [here, there] = [world.process(), world.process()];
  const id = await here.start(name);
  await here.drive(id);
  return { world, here, there, id, question, listings: () => listings };
}

test("what rests here is told something, and goes on, without being read", async () => {
  const { here, id, question, listings } = await rested();
  const before = listings();
  expect(await here.answer(id, question)).toEqual({ callId: `${question}:0`, repeated: false });
  const directive = await here.advanceToPark(id);
  expect(listings()).toBe(before);
  expect(await here.park(id, directive)).toBe(true);
  expect(await here.answer(id, `${question}:0`)).toMatchObject({ repeated: true });
  await here.answer(id, `${question}:1`);
  expect(await here.drive(id)).toBe("completed");
  expect(await here.output(id)).toEqual(["made", "approved", "approved again"]);
});

test("what somebody else has said since is heard", async () => {
  const { here, there, id, question } = await rested();
  await there.signal(id, { kind: "abort", target: question });
  await expect(here.answer(id, question)).rejects.toMatchObject({ code: "conflict" });
  expect(await here.drive(id)).toBe("failed");
  await expect(here.answer(id, `${question}:1`)).rejects.toThrow("has ended");
});

test("what somebody else has done since is found when this process goes on", async () => {
  const { here, there, id, question } = await rested();
  await here.answer(id, question);
  expect(await there.drive(id)).toBe("waiting"); // with the same owner
  await there.answer(id, `${question}:1`);
  expect(await here.drive(id)).toBe("completed");
  expect(await here.entriesOf(id, "completed")).toHaveLength(3);
});

test("a claim that may have ended since, and an end that a retry may have undone, are looked up", async () => {
  const { world, here, there, id, question, listings } = await rested();
  await world.clock.advanceBy("1m");
  await there.drive(id, "o2");
  await here.answer(id, question);
  const before = listings();
  expect(await here.advance(id)).toEqual({ kind: "end" });
  expect(listings()).toBe(before + 1);
  await there.drive(id, "o2");
  await there.answer(id, `${question}:1`);
  await there.drive(id, "o2");
  here.context.resting.told(id, await load(here.context, id));
  const ended = listings();
  expect(await here.advance(id)).toMatchObject({ kind: "end" });
  expect(listings()).toBe(ended + 1);
});

test("only one that was told something is taken, once", async () => {
  const { here, id } = await rested();
  const execution = await load(here.context, id);
  const resting = new Resting();
  resting.keep(id, execution);
  expect(resting.get(id)).toBe(execution);
  expect(resting.take(id)).toBeUndefined();
  expect(resting.get(id)).toBeUndefined();
  resting.told(id, execution);
  expect(resting.take(id)).toBe(execution);
  expect(resting.take(id)).toBeUndefined();
});

test("a park confirms what is known, or shows that it is not", async () => {
  const { here, id } = await rested();
  const execution = await load(here.context, id);
  const { inbox } = execution;
  if (inbox === undefined) throw new Error("no inbox");
  const resting = new Resting();
  const parked = { ...inbox, version: "next" };
  resting.parked(id, inbox.version, parked);
  expect(resting.get(id)).toBeUndefined();
  resting.keep(id, execution);
  resting.parked(id, inbox.version, parked);
  expect(resting.get(id)?.inbox).toBe(parked);
  resting.parked(id, inbox.version, parked);
  expect(resting.get(id)).toBeUndefined();
});

test("no more is kept than a megabyte of journals, and the one that was told something last; the oldest goes first", async () => {
  const { here, id } = await rested({ filler: "x".repeat(60) });
  const execution = await load(here.context, id);
  const fitting = Math.floor((1024 * 1024) / execution.journal.characters);
  const resting = new Resting();
  for (let n = 0; n <= fitting; n += 1) resting.keep(`x${n}`, execution);
  expect(resting.get("x0")).toBeUndefined();
  expect(resting.get("x1")).toBe(execution);
  expect(resting.get(`x${fitting}`)).toBe(execution);
  resting.keep("x1", execution);
  resting.drop("x2");
  resting.keep("another", execution);
  expect(resting.get("x1")).toBe(execution);
  const large: LoadedExecution = {
    ...execution,
    journal: Object.create(execution.journal, { characters: { value: 2 ** 21 } }) as never,
  };
  resting.keep("large", large);
  expect(resting.get("large")).toBeUndefined();
  resting.told("large", large);
  expect(resting.get("large")).toBe(large);
  resting.keep("small", execution);
  expect(resting.get("large")).toBeUndefined();
  expect(resting.get("small")).toBe(execution);
});

test("what an advance has taken is not given to another, though it is told something meanwhile", async () => {
  const { world, here, id, question } = await rested();
  await here.answer(id, question);
  const rest = here.context.resting.get(id);
  const taken: (LoadedExecution | undefined)[] = [];
  world.intercept = async (draft, write) => {
    const result = await write();
    if (draft.sort === "inbox") taken.push(here.context.resting.take(id));
    return result;
  };
  await here.answer(id, `${question}:1`);
  world.intercept = undefined;
  expect(taken.map((one) => one?.journal)).toEqual([rest?.journal]);
  expect(here.context.resting.get(id)).toBeUndefined();
  expect(await here.drive(id)).toBe("completed");
});
