import { expect, test } from "vitest";
import { checkpoint, flow, wait } from "../../core/index.ts";
import { blobKey } from "../../core/journal/values.ts";
import { type Process, World, unique } from "./kit.ts";

/** An execution of several segments that waits, and its world. */
async function begun(): Promise<{
  world: World;
  process: Process;
  id: string;
  question: string;
  runs: number[];
}> {
  const [name, step, question] = [unique("flow"), unique("step"), unique("ask")];
  const runs: number[] = [];
  const work = checkpoint(step, (x: number) => {
    runs.push(x);
    return { x, filler: "y".repeat(100) };
  });
  const ask = wait(question);
  flow(name, async () => {
    let sum = 0;
    for (let i = 0; i < 4; i++) sum += (await work(i)).x;
    await ask();
    return sum;
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  return { world, process, id, question, runs };
}

/** Everybody who reads the execution gets the error, nobody writes; restored, it goes on where it was. */
async function expectOneClearError(
  { world, process, id, question, runs }: Awaited<ReturnType<typeof begun>>,
  message: RegExp,
  restore: () => Promise<unknown>,
): Promise<void> {
  const before = world.written.length;
  const error = { code: "corrupt", message: expect.stringMatching(message) as string };
  await expect(process.advance(id)).rejects.toMatchObject(error);
  await expect(process.status(id)).rejects.toMatchObject(error);
  await expect(process.answer(id, question)).rejects.toMatchObject(error);
  await expect(process.signal(id, { kind: "cancel" })).rejects.toMatchObject(error);
  expect(world.written).toHaveLength(before);
  await restore();
  await process.answer(id, question);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe(6);
  expect(runs).toEqual([0, 1, 2, 3]);
}

const lines: Record<string, [change: (body: string) => string, message: RegExp]> = {
  "is cut off": [
    (body) => body.slice(0, -20),
    /j\/000000(?:: .*JSON| ends too early)[\s\S]*backup/,
  ],
  "is no JSON": [(body) => body.replace(`"t":`, `"t"!`), /line \d of j\/000000/],
  "is no entry": [(body) => `{"x":1}\n${body}`, /line 1 of j\/000000: it is not a journal entry/],
  "is empty": [(body) => body.replace("\n", "\n\n"), /line 2 of j\/000000/],
  "came from a newer version": [
    (body) => body.replace(`"format":1`, `"format":2`),
    /newer version of kitaru \(journal format 2[\s\S]*Update the kitaru package/,
  ],
  "is not the first": [
    (body) => body.split("\n").slice(1).join("\n"),
    /j\/000000 does not begin with `started`/,
  ],
};

test.each(Object.keys(lines))(
  "a journal line that %s: one clear error, nothing lost",
  async (what) => {
    const found = await begun();
    const [change, message] = lines[what] ?? [(body) => body, /never/];
    const body = await found.world.corrupt(found.id, "j/000000", change);
    await expectOneClearError(found, message, () =>
      found.world.corrupt(found.id, "j/000000", () => body),
    );
  },
);

test("a segment that is missing: the error names it", async () => {
  const found = await begun();
  const key = { partition: `exec/${found.id}`, sort: "j/000001" };
  const record = await found.world.records.get(key);
  if (record === undefined) throw new Error("no second segment");
  await found.world.records.delete(key, record.version);
  await expectOneClearError(found, /incomplete: j\/000001 is missing[\s\S]*backup/, () =>
    found.world.records.put(record, "absent"),
  );
});

test("a segment that ends too early for having a successor: the error names it", async () => {
  const found = await begun();
  const body = await found.world.corrupt(found.id, "j/000001", (text) =>
    text.slice(0, text.indexOf("\n") + 1),
  );
  await expectOneClearError(found, /incomplete: j\/000001 ends too early/, () =>
    found.world.corrupt(found.id, "j/000001", () => body),
  );
});

test.each(["head", "inbox"])(
  "a %s that is not what kitaru wrote: the error names it",
  async (sort) => {
    const found = await begun();
    const { world, process, id, question } = found;
    for (const broken of ["{", "[]", "null", "7"]) {
      const body = await world.corrupt(id, sort, () => broken);
      const error = {
        code: "corrupt",
        message: expect.stringMatching(new RegExp(`exec/${id} ${sort} cannot be read`)) as string,
      };
      await expect(process.advance(id)).rejects.toMatchObject(error);
      await world.corrupt(id, sort, () => body);
    }
    await process.answer(id, question);
    expect(await process.drive(id)).toBe("completed");
  },
);

const blobFaults: Record<string, [change: Uint8Array | undefined, message: RegExp]> = {
  missing: [undefined, /it is missing from the blob store/],
  "of another length": [new Uint8Array([1]), /its content does not match its hash/],
};

test.each(Object.keys(blobFaults))(
  "a blob that is %s: one clear error, nothing lost",
  async (what) => {
    const [change, message] = blobFaults[what] ?? [undefined, /never/];
    const { world, process, id, question, runs } = await begun();
    const [first] = await process.entriesOf(id, "completed");
    if (first === undefined || !("b" in first.out)) throw new Error("no blob");
    const key = blobKey(first.out.b);
    const get = world.blobs.get.bind(world.blobs);
    world.blobs.get = async (wanted) => (wanted === key ? change : get(wanted));
    await process.answer(id, question);
    await expect(process.drive(id)).rejects.toMatchObject({
      code: "corrupt",
      message: expect.stringMatching(message) as string,
      details: { blob: key },
    });
    expect(await process.status(id)).not.toBe("failed");
    world.blobs.get = get;
    expect(await process.drive(id)).toBe("completed");
    expect(await process.output(id)).toBe(6);
    expect(runs).toEqual([0, 1, 2, 3]);
  },
);

test("a blob with the right length and other bytes: its hash tells", async () => {
  const { world, process, id } = await begun();
  const get = world.blobs.get.bind(world.blobs);
  world.blobs.get = async (key) => {
    const bytes = await get(key);
    bytes?.set([65], 20);
    return bytes;
  };
  await expect(process.drive(id)).rejects.toThrow("its content does not match its hash");
});

test("a blob store that cannot be written to fails the advance, not the step", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const work = checkpoint(step, () => "y".repeat(1000));
  flow(name, async () => (await work()).length);
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const put = world.blobs.put.bind(world.blobs);
  world.blobs.put = async () => {
    throw new Error("disk full");
  };
  await expect(process.drive(id)).rejects.toThrow("disk full");
  world.blobs.put = put;
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe(1000);
});

test("an execution that does not exist, a flow this program does not define", async () => {
  const name = unique("flow");
  flow(name, async () => 1);
  const world = new World();
  const here = world.process();
  await expect(here.advance("nobody")).rejects.toMatchObject({ code: "not_found" });
  const id = await here.start(name);
  const { Registry } = await import("../../core/engine/definitions.ts");
  const elsewhere = world.process({ registry: new Registry() });
  await expect(elsewhere.advance(id)).rejects.toMatchObject({
    code: "state",
    message: expect.stringMatching(
      new RegExp(`Flow "${name}".*is not defined in this program`),
    ) as string,
  });
  expect(await here.drive(id)).toBe("completed");
});
