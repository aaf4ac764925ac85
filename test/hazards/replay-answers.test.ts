import { expect, test } from "vitest";
import { z } from "zod";
import { Registry } from "../../core/engine/definitions.ts";
import { signal } from "../../core/engine/signal.ts";
import { startReplay } from "../../core/engine/replay/start-replay.ts";
import { flow, wait } from "../../core/index.ts";
import { overridable } from "../../core/primitives/replay-target.ts";
import type { Override } from "../../core/engine/replay/override.ts";
import { type Process, World, unique } from "./kit.ts";

const id = "replay";

const inTurn = async (ask: () => Promise<string>) => [await ask(), await ask()];
const atOnce = async (ask: () => Promise<string>) => Promise.all([ask(), ask()]);

/** A flow that asks twice, answered with "a" and "b", and a replay of it that nobody has advanced yet. */
async function replayed(
  overrides: readonly Override[] = [],
  body = inTurn,
): Promise<{
  readonly process: Process;
  readonly world: World;
  readonly name: string;
}> {
  const [name, asking] = [unique("ask"), unique("flow")];
  const ask = wait(name, { schema: z.string() });
  flow(asking, async () => body(ask));
  const world = new World();
  const process = world.process({ orchestrator: { canDrive: () => true } });
  const source = await process.start(asking);
  for (const [number, value] of ["a", "b"].entries()) {
    await process.drive(source);
    await process.answer(source, `${name}:${number}`, value);
  }
  expect(await process.drive(source)).toBe("completed");
  const overridden = overrides.map((one) => ({ ...one, target: one.target.replace("ask", name) }));
  await startReplay(process.context, { id, stack: "memory", source, overrides: overridden });
  return { process, world, name };
}

test("an answer that came before a replay's first advance stands, and the next wait is asked anew", async () => {
  const { process, name } = await replayed();
  await process.answer(id, `${name}:0`, "early");
  expect(await process.drive(id)).toBe("waiting");
  await process.answer(id, `${name}:1`, "late");
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual(["early", "late"]);
});

test("an answer to a later wait stands too, and what was asked before it is taken over", async () => {
  const { process, name } = await replayed();
  await process.answer(id, `${name}:1`, "early");
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual(["a", "early"]);
});

test("of two that are asked at once, the second is asked anew where the first has been answered", async () => {
  const { process, name } = await replayed([], atOnce);
  await process.answer(id, `${name}:0`, "early");
  expect(await process.drive(id)).toBe("waiting");
  expect((await process.head(id)).view.waits).toEqual([`${name}:1`]);
  await process.answer(id, `${name}:1`, "late");
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual(["early", "late"]);
});

test("and the first is taken over where the second has been answered", async () => {
  const { process, name } = await replayed([], atOnce);
  await process.answer(id, `${name}:1`, "early");
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual(["a", "early"]);
});

test("an answer stands against an override that nobody has delivered yet", async () => {
  const { process, name } = await replayed([overridable("ask:0").as("overridden")]);
  await process.answer(id, `${name}:0`, "early");
  await process.drive(id);
  await process.answer(id, `${name}:1`, "late");
  await process.drive(id);
  expect(await process.output(id)).toEqual(["early", "late"]);
});

test("whoever answers once a replay has settled the wait is told so, before its journal says so", async () => {
  const { process, world, name } = await replayed();
  const refused: unknown[] = [];
  world.intercept = async (draft, write) => {
    if (draft.partition === `exec/${id}` && draft.sort.startsWith("j/")) {
      world.intercept = undefined;
      await process.answer(id, `${name}:0`, "a"); // a repeat of what stands
      await process.answer(id, `${name}:0`, "late").catch((error: unknown) => refused.push(error));
    }
    return write();
  };
  expect(await process.drive(id)).toBe("completed");
  expect(refused).toMatchObject([{ code: "conflict" }]);
  expect(await process.output(id)).toEqual(["a", "b"]);
});

test("what a killed advance has said about a wait stands in the next", async () => {
  const { process, world, name } = await replayed();
  world.intercept = (draft, write) => {
    if (draft.sort.startsWith("j/")) throw new Error("killed");
    return write();
  };
  await expect(process.advance(id)).rejects.toThrow("killed");
  world.intercept = undefined;
  await expect(process.answer(id, `${name}:1`, "late")).rejects.toThrow("another value");
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual(["a", "b"]);
});

test("an answer behind two cancels is not replaced, though it is not taken in any more", async () => {
  const { process, name } = await replayed();
  await process.signal(id, { kind: "cancel" });
  await process.signal(id, { kind: "cancel" });
  await process.answer(id, `${name}:0`, "early");
  expect(await process.drive(id)).toBe("cancelled");
  expect(await process.entriesOf(id, "completed")).toEqual([]);
});

test("an answer that does not fit is refused, and what is recorded is taken over", async () => {
  const { process, name } = await replayed();
  const context = { ...process.context, registry: new Registry(), program: new Registry() };
  await signal(context, id, { kind: "answer", target: `${name}:0`, value: 7 });
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual(["a", "b"]);
});
