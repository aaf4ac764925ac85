import { expect, test } from "vitest";
import { World, unique } from "../../test/hazards/kit.ts";
import type { Entry } from "../journal/entry.ts";
import { load, save } from "../primitives/artifact.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";
import { findArtifact, readEntries, standingArtifacts } from "./artifacts.ts";

function artifact(id: string, name: string): Entry {
  return { t: "artifact", id, name, type: "output", out: { v: name }, vh: "h", at: 1 };
}

test("artifacts of calls a retry forgot are gone, those made after it stand", () => {
  const standing = standingArtifacts([
    artifact("a:0", "one"),
    artifact("b:0", "two"),
    { t: "retried", voids: ["b:0"], at: 1 },
    artifact("b:0", "three"),
  ]);
  expect(standing.map(({ name }) => name)).toEqual(["one", "three"]);
});

test("by name: what was saved last, else the result of the one checkpoint of that name", async () => {
  const [name, step, twice] = [unique("flow"), unique("step"), unique("twice")];
  const work = checkpoint(step, () => {
    save("notes", "first");
    save("notes", "second");
    return "result";
  });
  const again = checkpoint(twice, (x: number) => x);
  flow(name, async () => {
    await work();
    await again(1);
    await again(2);
  });
  const { context, ...process } = withMethods();
  const id = await process.start(name);
  await process.drive(id);
  expect(await findArtifact(context, id, "notes")).toEqual({
    value: "second",
    source: { executionId: id, callId: `${step}:0`, name: "notes" },
  });
  expect(await findArtifact(context, id, step)).toEqual({
    value: "result",
    source: { executionId: id, callId: `${step}:0` },
  });
  expect(await findArtifact(context, id, `${twice}:1`)).toMatchObject({ value: 2 });
  await expect(findArtifact(context, id, twice)).rejects.toThrow(
    `has 2 results named "${twice}". Name one call: ${twice}:0, ${twice}:1`,
  );
  await expect(findArtifact(context, id, "none")).rejects.toMatchObject({
    code: "not_found",
    message: expect.stringContaining(`It has: notes, ${step}, ${twice}`) as string,
  });
  await expect(findArtifact(context, "nobody", "none")).rejects.toMatchObject({
    code: "not_found",
  });
});

test("an execution without any says so", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask());
  const { context, ...process } = withMethods();
  const id = await process.start(name);
  await process.drive(id);
  await expect(findArtifact(context, id, "any")).rejects.toThrow("It has: none.");
});

test("artifacts of a failed attempt are dropped, and load() reads across executions", async () => {
  const [name, step, reader] = [unique("flow"), unique("step"), unique("reader")];
  let tries = 0;
  const work = checkpoint(step, { retries: { attempts: 1, initialDelay: 1 } }, () => {
    save("draft", `try ${++tries}`);
    if (tries === 1) throw new Error("again");
  });
  flow(name, async () => work());
  const reading = checkpoint(`${reader}_step`, (id: string) => load(id, "draft"));
  flow(reader, async (id: string) => reading(id));
  const { context, ...process } = withMethods();
  const id = await process.start(name);
  await process.drive(id);
  const entries = await readEntries(context, id);
  expect(standingArtifacts(entries)).toMatchObject([{ name: "draft", out: { v: "try 2" } }]);
  const second = await process.start(reader, id);
  await process.drive(second);
  expect(await process.output(second)).toBe("try 2");
});

function withMethods() {
  const process = new World({ pageSize: 1 }).process();
  return {
    context: process.context,
    start: (flowName: string, input?: unknown) => process.start(flowName, input),
    drive: (id: string) => process.drive(id),
    output: (id: string) => process.output(id),
  };
}
