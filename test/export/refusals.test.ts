import { execFileSync } from "node:child_process";
import { appendFile, readFile, readdir, truncate, writeFile } from "node:fs/promises";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { local } from "../../adapters/local/index.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { flowModule } from "../deployments/project.ts";
import { flowsText } from "./flows.ts";

let root: string;
let file: string;
let id: string;
const here = new KitaruClient({ stack: "local" });
const there = new KitaruClient({ stack: "second" });

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "kitaru-export-"));
  file = join(root, "one.kitaru");
  const stacks = { local: local(), second: local({ folder: "second" }) };
  configure({ config: { stacks }, root });
  await here.deployments.deploy({ entry: await flowModule(flowsText) });
  const input = { ledger: join(root, "ledger.txt"), size: 30_000 };
  const handle = here.deployments.invoke("outer", input, { id: "one" });
  await handle.started;
  id = handle.id;
  await here.executions.untilRest(id);
}, 60_000);
afterEach(async () => {
  await closeStacks();
  rmSync(root, { recursive: true });
});

/** Nothing of a refused import is in the stack, nor is anything else. */
async function expectNothingThere(): Promise<void> {
  expect(await there.executions.list()).toEqual([]);
  expect(await there.deployments.list()).toEqual([]);
  const { backend } = await openStack("second");
  expect((await backend.records.list({ partition: "exec/one" })).items).toEqual([]);
  for (const prefix of ["blobs/", "bundles/", "manifests/"])
    expect((await backend.blobs.list({ prefix })).keys).toEqual([]);
}

const damages: Record<string, [change: (file: string) => Promise<unknown>, says: RegExp]> = {
  "is cut off in its middle": [(at) => truncate(at, 40_000), /is damaged: it is cut off\. Export/],
  "is cut off at a part's end": [
    async (at) => {
      const text = await readFile(at, "latin1");
      await writeFile(at, text.slice(0, text.lastIndexOf('{"part":"execution"')), "latin1");
    },
    /is damaged: it is cut off\. Export/,
  ],
  "has another byte in a value": [
    (at) => patch(at, "xxxxxxxx", "xxxxyxxx"),
    /is damaged: its blob blobs\/[0-9a-f]{64} does not match its checksum\. Export/,
  ],
  "has another byte in its journal": [
    (at) => patch(at, '"name":"review"', '"name":"revieW"'),
    /is damaged: its execution one does not match its checksum/,
  ],
  "has another byte in what it says of itself": [
    (at) => patch(at, '"stack":"local"', '"stack":"loca1"'),
    /is damaged: it does not match its checksum/,
  ],
  "goes on behind its end": [
    (at) => appendFile(at, "more"),
    /is damaged: it goes on behind its end/,
  ],
  "was written by a newer version": [
    (at) => patch(at, '"format":1,', '"format":9,'),
    /newer version of kitaru \(export format 9, this version reads up to 1\)\. Update/,
  ],
  "is no export": [
    (at) => writeFile(at, '{"some":"thing"}\n'),
    /is no exported execution\. `kitaru executions export/,
  ],
  "is empty": [(at) => truncate(at), /is damaged: it is cut off/],
};

test.each(Object.keys(damages))(
  "a file that %s: one clear error, nothing is imported, and the whole file is later",
  async (what) => {
    const [change, says] = damages[what] as (typeof damages)[string];
    await here.executions.export(id, { file, move: true });
    const whole = await readFile(file);
    await change(file);
    await expect(there.executions.import(file)).rejects.toThrow(says);
    await expectNothingThere();
    await writeFile(file, whole);
    await there.executions.import(file);
    expect(await there.executions.untilRest(id)).toMatchObject({
      pendingWaits: [{ id: "review:0" }],
    });
  },
);

test("a copy is taken in only when that is said, and says so", async () => {
  expect(await here.executions.export(id, { file })).toMatchObject({ moved: false });
  await expect(there.executions.import(file)).rejects.toMatchObject({
    code: "conflict",
    message: `${file} is a copy of execution one, which was waiting and may go on on stack "local": imported, it would go on twice. Retire the original with \`kitaru executions export one --move\` on that stack and import that file, or take the copy in all the same with --copy.`,
  });
  await expectNothingThere();
  expect(await there.executions.import(file, { copy: true })).toMatchObject({ copy: true });
  expect(await there.executions.untilRest(id)).toMatchObject({
    imported: { from: "local", copy: true },
  });
  await there.executions.input(id, { value: { ok: true } });
  expect(await here.executions.get(id)).toMatchObject({ status: "waiting" });
});

test("an execution that is there stays as it is, whatever a file says", async () => {
  await here.executions.export(id, { file });
  const exists = {
    code: "conflict",
    message: expect.stringMatching(/is on stack "local" already \(waiting\)/) as string,
  };
  await expect(here.executions.import(file, { copy: true })).rejects.toMatchObject(exists);
  const moved = join(root, "moved.kitaru");
  await here.executions.export(id, { file: moved, move: true });
  await there.executions.import(moved);
  await expect(there.executions.import(moved)).rejects.toThrow('is on stack "second" already');
  // what was exported before the move is not what has become of it
  await expect(here.executions.import(file, { copy: true })).rejects.toThrow(
    /was moved away from stack "local", and the file is not what has become of it/,
  );
});

test("a file that was lost is written again, and taken in again it goes on here", async () => {
  await here.executions.export(id, { file, move: true });
  rmSync(file);
  expect(await here.executions.export(id, { file })).toMatchObject({ moved: true });
  await here.executions.import(file);
  await here.executions.untilRest(id);
  await here.executions.input(id, { value: { ok: true } });
  expect(await here.executions.get(id)).toMatchObject({ stack: "local" });
});

test("an export that cannot be finished retires nothing and leaves no file", async () => {
  const { backend } = await openStack("local");
  const { keys } = await backend.blobs.list({ prefix: "blobs/" });
  const path = join(root, ".kitaru", keys[0] ?? "");
  const bytes = await readFile(path);
  rmSync(path);
  const move = { file, move: true };
  await expect(here.executions.export(id, move)).rejects.toThrow(/is missing from the blob store/);
  await writeFile(path, "other");
  await expect(here.executions.export(id, move)).rejects.toThrow(/does not match its hash/);
  await writeFile(path, bytes);
  const nowhere = { file: join(root, "no", "where.kitaru"), move: true };
  await expect(here.executions.export(id, nowhere)).rejects.toThrow(/cannot be written: ENOENT/);
  expect(
    (await readdir(root)).filter((name) => name.includes("kitaru.") || name.endsWith(".new")),
  ).toEqual([]);
  expect(await here.executions.get(id)).toMatchObject({ status: "waiting" });
  await here.executions.export(id, move);
});

test("an answer that came as the export began is not lost: it was refused, or is in the file, or came first", async () => {
  const [exported, answered] = await Promise.allSettled([
    here.executions.export(id, { file, move: true }),
    here.executions.input(id, { value: { ok: true } }),
  ]);
  const isMoved = exported.status === "fulfilled";
  if (!isMoved && !/cannot be exported now/.test(String(exported.reason))) throw exported.reason;
  if (isMoved) await there.executions.import(file);
  const asked = answered.status === "fulfilled" ? "approve:0" : "review:0";
  const client = isMoved ? there : here;
  await until(async () => {
    const waiting = await client.executions.list({ status: "waiting" });
    return waiting.some(({ pendingWaits }) => pendingWaits.includes(asked));
  });
  expect(isMoved || answered.status === "fulfilled").toBe(true);
});

test("what runs, a child, and a replay that has not ended are refused, with the reason", async () => {
  const replay = await here.executions.replay(id);
  await here.executions.untilRest(replay.id);
  await expect(here.executions.export(replay.id, { file })).rejects.toThrow(
    /is a replay that has not ended: it takes over what one has recorded on this stack/,
  );
  await here.executions.input(id, { value: { ok: true } });
  const child = `${id}/inner:0`;
  await until(async () => (await here.executions.list()).some((one) => one.id === child));
  await expect(here.executions.export(child, { file })).rejects.toThrow(
    /is a child of one, which awaits its end\. Export one; that takes its children along/,
  );
  await expect(here.executions.export("nobody", { file })).rejects.toMatchObject({
    code: "not_found",
  });
  await expect(here.executions.import(join(root, "none"))).rejects.toThrow(
    /none cannot be read: ENOENT/,
  );
});

test("50 MB are exported and imported in less than 200 MB", async () => {
  const script = fileURLToPath(new URL("fixtures/large.ts", import.meta.url));
  const preload = fileURLToPath(new URL("../from-source.ts", import.meta.url));
  const out = execFileSync(process.execPath, ["--import", preload, script, root], {
    encoding: "utf8",
  });
  const { bytes, peakMb, baseMb } = JSON.parse(out) as Record<string, number>;
  expect(bytes).toBeGreaterThan(50_000_000);
  expect(peakMb).toBeLessThan((baseMb ?? 0) + 130);
  expect(peakMb).toBeLessThan(200);
});

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function patch(at: string, from: string, to: string): Promise<void> {
  const text = await readFile(at, "latin1");
  if (!text.includes(from)) throw new Error(`no ${from}`);
  await writeFile(at, text.replace(from, to), "latin1");
}
