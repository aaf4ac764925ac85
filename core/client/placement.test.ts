import { afterEach, beforeEach, expect, test } from "vitest";

import { type OneOfTwo, type TwoStacks, twoStacks } from "../../test/export/memory-stacks.ts";
import { startParams } from "../engine/restart.ts";
import { headKey, readHead } from "../journal/head.ts";
import type { RecordKey } from "../ports/records.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";

let stacks: TwoStacks;
const small = { records: { pageSize: 2 }, capabilities: { segmentBytes: 400 } };
beforeEach(async () => {
  stacks = await twoStacks({ here: small, there: small });
});
afterEach(() => stacks.close());

const inbox = { partition: "exec/e", sort: "inbox" };
const conflict = (stack: string) => ({
  code: "conflict",
  message: `Execution e was changed on stack "${stack}" while it was imported. Look at it, and import the file again if it is not there.`,
});

/** Start a flow that asks three times; resolves once it has asked first. */
async function started(): Promise<void> {
  const [first, second, third] = [wait("first"), wait("second"), wait("third")];
  const note = checkpoint("note", (text: string) => text);
  const asking = flow("asking", async () => {
    await first();
    await note("after the first");
    await second();
    await note("after the second");
    await third();
    return "done";
  });
  asking.run(undefined, { id: "e" });
  await stacks.here.asks("e", "first:0");
}

async function exported({ client }: OneOfTwo, move = true): Promise<string> {
  const file = stacks.file();
  await client.executions.export("e", { file, move });
  return file;
}

async function answered(stack: OneOfTwo, next: string): Promise<void> {
  await stack.client.executions.input("e", {});
  await stack.asks("e", next);
}

async function finished(stack: OneOfTwo): Promise<void> {
  const result = async () => stack.client.executions.get("e");
  for (let rest = await stack.client.executions.untilRest("e"); rest.status === "waiting";) {
    await stack.client.executions.input("e", {});
    rest = await stack.client.executions.untilRest("e");
  }
  expect(await result()).toMatchObject({ status: "completed", output: "done" });
}

/** Another version of a document, as another process would write it. */
async function touch(stack: OneOfTwo, key: RecordKey): Promise<void> {
  const { records } = (await stack.context()).backend;
  const found = await records.get(key);
  await records.put(found ?? { ...key, body: '{"items":[]}' }, found?.version ?? "absent");
}

test("an execution goes there and back, piece by piece, with segments that are full or not", async () => {
  const { here, there } = stacks;
  await started();
  await there.client.executions.import(await exported(here));
  await there.asks("e", "first:0");
  await answered(there, "second:0");
  await here.client.executions.import(await exported(there));
  await here.asks("e", "second:0");
  await there.client.executions.import(await exported(here));
  await there.asks("e", "second:0");
  await answered(there, "third:0");
  await here.client.executions.import(await exported(there));
  await finished(here);
});

test("a stack whose records cannot hold a piece of its journal takes in nothing", async () => {
  await stacks.close();
  stacks = await twoStacks({ there: { capabilities: { recordBytes: 500 } } });
  const { here, there } = stacks;
  await started();
  await answered(here, "second:0");
  const file = await exported(here, false);
  await expect(there.client.executions.import(file, { copy: true })).rejects.toThrow(
    /^Execution e cannot be imported to stack "there": a piece of its journal takes \d+ bytes, and a record there 500 at most\. Let it end where it is\.$/,
  );
  expect(there.stored().size).toBe(0);
  await finished(here);
});

test("what an import that was interrupted has left gives way to a later file", async () => {
  const { here, there } = stacks;
  await started();
  const early = await exported(here, false);
  there.beforeWrite(/^exec\/e head/, () => {
    throw new Error("the process has ended");
  });
  const importing = there.client.executions.import(early, { copy: true });
  await expect(importing).rejects.toThrow("the process has ended");
  expect(await there.client.executions.list()).toEqual([]);
  await answered(here, "second:0");
  await there.client.executions.import(await exported(here));
  await there.asks("e", "second:0");
  await finished(there);
});

test("of two imports at once one takes it in, and the other says so", async () => {
  const { here, there } = stacks;
  await started();
  const file = await exported(here);
  there.beforeWrite(/^exec\/e head/, () => there.client.executions.import(file));
  await expect(there.client.executions.import(file)).rejects.toMatchObject(conflict("there"));
  await there.asks("e", "first:0");
  await finished(there);
});

test("an import that finds its inbox changed under its hands is repeated", async () => {
  const { here, there } = stacks;
  await started();
  const file = await exported(here);
  there.beforeWrite(/^exec\/e inbox/, () => touch(there, inbox));
  await expect(there.client.executions.import(file)).rejects.toMatchObject(conflict("there"));
  await there.client.executions.import(file);
  await there.asks("e", "first:0");
  await finished(there);
});

/** An execution that was there and is to come back, by the file of that; it has moved on a good deal meanwhile. */
async function returning(): Promise<string> {
  const { here, there } = stacks;
  await started();
  await there.client.executions.import(await exported(here));
  await there.asks("e", "first:0");
  await answered(there, "second:0");
  await answered(there, "third:0");
  return exported(there);
}

test("an import of one that comes back is repeated, at whichever of its writes it was interrupted", async () => {
  let writes = 0;
  for (let hasEnded = true; hasEnded; writes++) {
    const file = await returning();
    hasEnded = await endsAtWrite(stacks.here, writes + 1, file);
    const { status } = await stacks.here.client.executions.get("e");
    expect(["cancelled", "queued", "running", "waiting"]).toContain(status); // away or back, and never damaged
    if (hasEnded) await stacks.here.client.executions.import(file);
    await finished(stacks.here);
    await stacks.close();
    stacks = await twoStacks({ here: small, there: small });
  }
  expect(writes).toBeGreaterThan(5);
});

/** Import a file in a process that ends at a write; whether there is such a write. */
async function endsAtWrite({ client, beforeWrite }: OneOfTwo, write: number, file: string) {
  let hasEnded = false;
  const end = (): never => {
    hasEnded = true;
    throw new Error("the process has ended");
  };
  beforeWrite(/^exec\/e /, end, write);
  await client.executions.import(file).catch((error: unknown) => {
    if (!hasEnded) throw error;
  });
  beforeWrite(/^$/, end); // at none from here on
  return hasEnded;
}

test("what is left of one that was to come back gives way to what it has become since", async () => {
  const { here, there } = stacks;
  const early = await returning();
  const lost = (): never => {
    throw new Error("the process has ended");
  };
  here.beforeWrite(/^exec\/e head/, lost);
  await expect(here.client.executions.import(early)).rejects.toThrow("the process has ended");
  // the file goes on elsewhere, and comes back from there
  await there.client.executions.import(early);
  await there.asks("e", "third:0");
  await here.client.executions.import(await exported(there));
  await here.asks("e", "third:0");
  await finished(here);
});

test("one that comes back and finds its journal changed under its hands is imported again", async () => {
  const { here } = stacks;
  const file = await returning();
  const sorts = [...here.stored().keys()].filter((key) => key.startsWith("exec/e j/")).toSorted();
  const [partition = "", sort = ""] = (sorts.at(-1) ?? "").split(" ");
  here.beforeWrite(/^exec\/e head/, () => touch(here, { partition, sort }));
  await expect(here.client.executions.import(file)).rejects.toMatchObject(conflict("here"));
  await here.client.executions.import(file);
  await here.asks("e", "third:0");
  await finished(here);
});

test("one that goes on before its import has said so in the head is not set back", async () => {
  const { here } = stacks;
  const file = await returning();
  const go = async (): Promise<void> => {
    const { backend } = await here.context();
    const head = await backend.records.get(headKey("e"));
    if (head !== undefined) await backend.orchestrator.start(startParams(readHead(head).facts));
    await here.asks("e", "third:0");
  };
  here.beforeWrite(/^exec\/e head/, go, 2);
  await here.client.executions.import(file);
  await here.asks("e", "third:0");
  await finished(here);
});

test("an import that is late does not take back what another has set going", async () => {
  const { here, there } = stacks;
  await started();
  await answered(here, "second:0");
  const file = await exported(here);
  there.beforeWrite(/^exec\/e j\//, async () => {
    await there.client.executions.import(file);
    await there.asks("e", "second:0");
    await answered(there, "third:0");
  });
  await expect(there.client.executions.import(file)).rejects.toMatchObject(conflict("there"));
  await there.asks("e", "third:0");
  await finished(there);
});
