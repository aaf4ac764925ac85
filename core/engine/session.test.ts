import { expect, test } from "vitest";
import { World, unique } from "../../test/hazards/kit.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";
import type { Entry } from "../journal/entry.ts";
import { Session, load, takeFresh } from "./session.ts";

async function opened() {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  const open = async (): Promise<Session> => {
    const execution = await load(process.context, id);
    if (execution.head === undefined) throw new Error("no head");
    return new Session(process.context, execution, execution.head);
  };
  return { world, process, id, question, open };
}

const entry: Entry = { t: "log", fields: { v: 1 }, at: 1 };

test("of two sessions that read the same journal one appends; observers see what is durable", async () => {
  const { process, id, open } = await opened();
  const [one, two] = [await open(), await open()];
  const seen: string[] = [];
  process.context.observers.add({
    appended: ({ executionId, entries }) => {
      seen.push(`${executionId} ${entries.length}`);
      throw new Error("an observer's own affair");
    },
  });
  expect(await one.append([entry])).toBe(true);
  expect(await two.append([entry])).toBe(false);
  expect(seen).toEqual([`${id} 1`]);
});

test("the inbox is read anew only when it has changed", async () => {
  const { process, id, question, open } = await opened();
  const session = await open();
  expect(await session.refreshInbox()).toBeUndefined();
  await process.answer(id, question);
  expect((await session.refreshInbox())?.items).toHaveLength(1);
  expect(await session.refreshInbox()).toBeUndefined();
});

test("items are put into the inbox as it was last read, or not at all", async () => {
  const { process, id, question, open } = await opened();
  const session = await open();
  await process.answer(id, question);
  const item = { kind: "cancel", i: "n", at: 1 } as const;
  expect(await session.addToInbox([item])).toBe(false);
  await session.refreshInbox();
  expect(await session.addToInbox([item])).toBe(true);
  expect((await process.inbox(id)).items.map(({ kind }) => kind)).toEqual(["answer", "cancel"]);
  expect(await session.refreshInbox()).toBeUndefined();
});

test("a fresh execution is taken once", async () => {
  const name = unique("flow");
  flow(name, async () => 1);
  const process = new World().process({ orchestrator: { canDrive: () => true } });
  const id = await process.start(name);
  expect(takeFresh(process.context, id)?.head?.sort).toBe("head");
  expect(takeFresh(process.context, id)).toBeUndefined();
});
