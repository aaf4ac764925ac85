import fc from "fast-check";
import { expect, test } from "vitest";
import { memoryRecords } from "../../testing/memory.ts";
import type { RecordStore } from "../ports/records.ts";
import type { Entry, StartedEntry } from "./entry.ts";
import { headKey } from "./head.ts";
import { executionPartition } from "./journal.ts";
import { freshExecution, loadExecution } from "./load.ts";

const limits = { segmentBytes: 300, recordBytes: 1000 };

function load(records: RecordStore, change: Partial<typeof limits> = {}) {
  return loadExecution({ records, executionId: "a", ...limits, ...change });
}

const started: StartedEntry = {
  t: "started",
  format: 1,
  hash: 1,
  segmentBytes: 300,
  flow: "f",
  version: "local",
  seed: "s",
  input: { v: 1 },
  h: "h",
  at: 1,
};

const headBody = JSON.stringify({ facts: { id: "a" }, view: { pos: 0 } });

/** A store with the head of an execution of which nothing has been recorded. */
async function begun(records: RecordStore = memoryRecords()): Promise<RecordStore> {
  await records.put({ ...headKey("a"), body: headBody }, "absent");
  return records;
}

function log(text: string): Entry {
  return { t: "log", fields: { v: text }, at: 1 };
}

async function segments(records: RecordStore): Promise<string[]> {
  const { items } = await records.list({
    partition: executionPartition("a"),
    from: "j/",
    to: "j0",
  });
  return items.map((item) => item.body);
}

test("what is appended is read back, however it is cut into batches, segments and pages", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.string({ maxLength: 150 }), { minLength: 1, maxLength: 8 }), {
        maxLength: 8,
      }),
      fc.integer({ min: 1, max: 5 }),
      async (batches, pageSize) => {
        const records = await begun(memoryRecords({ pageSize }));
        const { journal } = await load(records);
        await journal.append(records, [started], "n");
        for (const [n, texts] of batches.entries())
          expect(await journal.append(records, texts.map(log), `n${n}`)).toBe("appended");
        const read = await load(records, { segmentBytes: 5 });
        expect(read.journal.state.position).toBe(1 + batches.flat().length);
        expect(read.journal.state.flowLogs).toBe(batches.flat().length);
        const bodies = await segments(records);
        for (const body of bodies.slice(0, -1))
          expect(Buffer.byteLength(body)).toBeGreaterThanOrEqual(300);
        for (const body of bodies) expect(Buffer.byteLength(body)).toBeLessThanOrEqual(1000);
        expect(await read.journal.append(records, [log("more")], "x")).toBe("appended");
      },
    ),
    { numRuns: 50 },
  );
});

test("of two that append to the same state one is superseded, at a full segment too", async () => {
  for (const filler of ["", "x".repeat(300)]) {
    const records = await begun();
    await (await load(records)).journal.append(records, [started, log(filler)], "n");
    const [one, two] = [await load(records), await load(records)];
    const results = await Promise.all([
      one.journal.append(records, [log("one")], "1"),
      two.journal.append(records, [log("two")], "2"),
    ]);
    expect(results).toEqual(["appended", "superseded"]);
    expect((await load(records)).journal.state.flowLogs).toBe(2);
    expect(two.journal.state.flowLogs).toBe(1);
  }
});

test("equal entries of two appends are told apart by their nonces", async () => {
  const memory = await begun();
  await (await load(memory)).journal.append(memory, [started], "n");
  const [one, two] = [await load(memory), await load(memory)];
  await one.journal.append(memory, [log("same")], "1");
  expect(await two.journal.append(memory, [log("same")], "2")).toBe("superseded");
});

test("an append that was applied and whose reply was lost succeeded, and the next one follows on it", async () => {
  const memory = await begun();
  const records: RecordStore = {
    ...memory,
    list: (params) => memory.list(params),
    get: (key) => memory.get(key),
    put: async (draft, expectation) => {
      await memory.put(draft, expectation);
      return { ok: false };
    },
  };
  const { journal } = await load(records);
  expect(await journal.append(records, [started], "n")).toBe("appended");
  expect(await journal.append(records, [log("x".repeat(300))], "n1")).toBe("appended");
  expect(await journal.append(records, [log("next")], "n2")).toBe("appended");
  expect(await segments(memory)).toHaveLength(2);
});

test("documents are told apart by their keys; an execution of which there is nothing is empty", async () => {
  const records = memoryRecords();
  expect(await load(records)).toMatchObject({ head: undefined, inbox: undefined });
  for (const sort of ["head", "inbox", "s/a:0/1", "t/a:0/1", "t/a:0/llm/0"])
    await records.put({ partition: executionPartition("a"), sort, body: headBody }, "absent");
  const loaded = await load(records);
  expect(loaded.head?.sort).toBe("head");
  expect(loaded.inbox?.sort).toBe("inbox");
  expect([...loaded.tasks.keys()]).toEqual(["t/a:0/1", "t/a:0/llm/0"]);
  const head = loaded.head;
  if (head === undefined) throw new Error("no head");
  const fresh = freshExecution({ executionId: "a", ...limits }, head);
  expect(await fresh.journal.append(records, [started], "n")).toBe("appended");
});

test("a listing that stays torn is a broken journal, after a limited number of tries", async () => {
  const memory = await begun();
  const { journal } = await load(memory);
  await journal.append(memory, [started, log("x".repeat(300))], "n");
  await journal.append(memory, [log("y")], "n1");
  let listings = 0;
  const records: RecordStore = {
    ...memory,
    list: async (params) => {
      listings++;
      const page = await memory.list(params);
      return { items: page.items.filter((item) => item.sort !== "j/000000") };
    },
  };
  await expect(load(records)).rejects.toMatchObject({
    code: "corrupt",
    message: expect.stringContaining("j/000000 is missing") as string,
  });
  expect(listings).toBe(20);
});

test.each([{ format: 2 }, { hash: 3 }])(
  "a journal of a newer version, %j, is refused; the message says to update",
  async (newer) => {
    const records = await begun();
    const { journal } = await load(records);
    const append = journal.append(records, [{ ...started, ...newer }], "n");
    await expect(append).rejects.toThrow("newer version");
    await expect(load(records)).rejects.toThrow("Update the kitaru package");
  },
);

test("a head that has counted more entries than there are, an advance that came after more, and no head at all", async () => {
  const claim = (pos: number): Entry => ({
    t: "advance",
    epoch: 1,
    owner: "o",
    until: 9,
    pos,
    at: 1,
  });
  const records = await begun();
  const { journal } = await load(records);
  await journal.append(records, [started, claim(1)], "n");
  const { head } = await load(records);
  if (head === undefined) throw new Error("no head");
  const counted = headBody.replace(`"pos":0`, `"pos":3`);
  await records.put({ ...headKey("a"), body: counted }, head.version);
  await expect(load(records)).rejects.toThrow("the head has counted 3 entries, and 2 are there");
  await journal.append(records, [log("x")], "n1");
  const whole = await load(records);
  expect(whole.journal.state.position).toBe(3);
  await expect(journal.append(records, [claim(2)], "n2")).rejects.toThrow(
    "advance 1 came after 2 entries, and 3 of them are there",
  );
  const version = whole.head?.version ?? "";
  await records.delete(headKey("a"), version);
  await expect(load(records)).rejects.toThrow("the head is missing");
});

test("one entry that no record can hold is refused by its size", async () => {
  const records = await begun();
  const { journal } = await load(records);
  await journal.append(records, [started], "n");
  await expect(journal.append(records, [log("x".repeat(2000))], "n1")).rejects.toThrow(
    /takes 20\d\d bytes; this stack's limit is 700 bytes/,
  );
});
