import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { registry } from "../engine/definitions.ts";
import { headKey, readHead } from "../journal/head.ts";
import { save } from "../primitives/artifact.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { llm } from "../primitives/llm.ts";
import { sleep } from "../primitives/sleep.ts";
import { wait } from "../primitives/wait.ts";
import type { KeptArtifact } from "./artifact-history.ts";

let stack: TestStack;

beforeEach(async () => {
  registry.clear();
  stack = await testStack();
});

afterEach(() => stack.close());

const ids = (items: readonly KeptArtifact[]): string[] => items.map(({ id }) => id);

/** Counts what is read of which execution from here on. */
function journalsRead(): Set<string> {
  const read = new Set<string>();
  const { records } = stack.backend;
  const list = records.list.bind(records);
  records.list = (params) => {
    read.add(params.partition);
    return list(params);
  };
  return read;
}

function reports() {
  const write = checkpoint("write", (title: string, notes: readonly string[]) => {
    for (const note of notes) save("note", note, { type: "context" });
    if (title !== "") save("title", title);
  });
  return flow("report", async ([title, ...notes]: readonly string[]) => {
    await sleep("1 minute");
    await write(title ?? "", notes);
  });
}

test("the history of an artifact goes over all executions of a flow, newest first, page by page", async () => {
  const report = reports();
  await stack.run(report, ["One", "a", "b"], { id: "e1" });
  await stack.run(report, ["", "c"], { id: "e2" });
  await stack.run(report, ["Three", "a"], { id: "e3" });
  const { artifacts } = stack.client;
  const notes = { flow: "report", name: "note" };
  const all = await artifacts.list(notes);
  expect(ids(all)).toEqual([
    "e3/write:0/note",
    "e2/write:0/note",
    "e1/write:0/note~2",
    "e1/write:0/note",
  ]);
  expect(all[0]).toMatchObject({
    executionId: "e3",
    callId: "write:0",
    name: "note",
    type: "context",
    size: 3,
  });
  const paged: string[] = [];
  for (let cursor: string | undefined, more = true; more;) {
    const [item] = await artifacts.list({
      ...notes,
      limit: 1,
      ...(cursor === undefined ? {} : { cursor }),
    });
    more = item !== undefined;
    cursor = item?.cursor;
    if (item !== undefined) paged.push(item.id);
  }
  expect(paged).toEqual(ids(all));
  expect(ids(await artifacts.list({ flow: "report" }))).toHaveLength(6);
  expect(ids(await artifacts.list({ flow: "report", type: "output" }))).toEqual([
    "e3/write:0/title",
    "e1/write:0/title",
  ]);
  expect(await artifacts.list({ flow: "none" })).toEqual([]);
});

test("equal content is one version, and a value is found by flow, name and version", async () => {
  const report = reports();
  await stack.run(report, ["One", "a", "b"], { id: "e1" });
  await stack.run(report, ["Two", "a"], { id: "e2" });
  const { artifacts } = stack.client;
  const [newest, second, first] = await artifacts.list({ flow: "report", name: "note" });
  expect(newest?.version).toMatch(/^[0-9a-f]{64}$/);
  expect(newest?.version).toBe(first?.version);
  expect(newest?.version).not.toBe(second?.version);
  expect(await artifacts.get({ flow: "report", name: "note" })).toBe("a");
  const version = second?.version.slice(0, 12) ?? "";
  expect(await artifacts.find({ flow: "report", name: "note", version })).toMatchObject({
    info: { id: "e1/write:0/note~2", version: second?.version },
    value: "b",
  });
  expect(await artifacts.get({ execution: "e1", name: "note" })).toBe("b");
});

test("what is not there, and what is no version or cursor, is said", async () => {
  await stack.run(reports(), ["One"], { id: "e1" });
  const { artifacts } = stack.client;
  await expect(artifacts.get({ execution: "e1", name: "none" })).rejects.toThrow(
    'Execution e1 has no artifact named "none". It has: title.',
  );
  await expect(artifacts.get({ execution: "nobody", name: "none" })).rejects.toMatchObject({
    code: "not_found",
  });
  await expect(artifacts.get({ flow: "report", name: "none" })).rejects.toThrow(
    'No execution of flow "report" has kept an artifact named "none".',
  );
  await expect(
    artifacts.get({ flow: "report", name: "title", version: "01234567" }),
  ).rejects.toThrow('has kept version 01234567 of an artifact named "title"');
  await expect(artifacts.get({ flow: "report", name: "title", version: "3" })).rejects.toThrow(
    '"3" is not a version of an artifact.',
  );
  await expect(artifacts.list({ flow: "report", cursor: "x" })).rejects.toThrow(
    '"x" is not a cursor',
  );
  await expect(artifacts.list({ flow: "report", limit: 0 })).rejects.toMatchObject({
    code: "usage",
  });
});

test("nothing is written for it, and only executions that may have the artifact are read", async () => {
  const report = reports();
  for (let run = 0; run < 20; run++) await stack.run(report, ["", "a"], { id: `e${run}` });
  await stack.run(report, ["Last", "a"], { id: "last" });
  const read = journalsRead();
  expect(ids(await stack.client.artifacts.list({ flow: "report", name: "title" }))).toEqual([
    "last/write:0/title",
  ]);
  expect([...read]).toEqual(["exec/last"]);
  const head = readHead((await stack.backend.records.get(headKey("last")))!);
  expect(head.view.saved).toEqual(["note", "title"]);
});

test("an execution that has not ended is read whatever its head says, a voided artifact is gone", async () => {
  let works = false;
  const early = checkpoint("early", () => save("note", "early"));
  const flaky = checkpoint("flaky", () => {
    save("note", "late");
    if (!works) throw new Error("not yet");
  });
  const gate = wait("gate");
  const f = flow("f", async () => {
    await Promise.all([early(), flaky()]);
    await gate();
  });
  const handle = f.run(undefined, { id: "e1" });
  await handle.result().catch(() => undefined);
  const history = async () => ids(await stack.client.artifacts.list({ flow: "f", name: "note" }));
  expect(await history()).toEqual(["e1/early:0/note"]);
  works = true;
  await stack.client.executions.retry("e1");
  await stack.waiting("e1");
  expect(await history()).toEqual(["e1/flaky:0/note", "e1/early:0/note"]);
});

test("prompts and responses have a history too, though no head names them", async () => {
  const f = flow("f", async (topic: string) =>
    llm(topic, { model: "offline/extract", name: "outline" }),
  );
  await stack.run(f, "Cloud roofs.", { id: "e1" });
  await stack.run(f, "Cloud roofs.", { id: "e2" });
  const { artifacts } = stack.client;
  const [second, first] = await artifacts.list({ flow: "f", name: "outline_prompt" });
  expect([second?.id, first?.id]).toEqual([
    "e2/outline:0/outline_prompt",
    "e1/outline:0/outline_prompt",
  ]);
  expect(second?.version).toBe(first?.version);
  expect(await artifacts.get({ flow: "f", name: "outline_response" })).toBe("Cloud roofs.");
});

test("content kept outside of the journal, bytes and rich values have versions like any other", async () => {
  const keep = checkpoint("keep", () => {
    save("large", "x".repeat(100_000));
    save("bytes", new Uint8Array([1, 2]));
    save("rich", new Map([["a", 1]]));
  });
  const f = flow("f", async (_run: number) => keep());
  await stack.run(f, 1, { id: "e1" });
  await stack.run(f, 2, { id: "e2" });
  const all = await stack.client.artifacts.list({ flow: "f" });
  expect(new Set(all.map(({ version }) => version)).size).toBe(3);
});

test("a head that names too many artifacts names none, and its execution is read", async () => {
  const many = checkpoint("many", () => {
    for (let index = 0; index < 101; index++) save(`note${index}`, index);
  });
  const f = flow("f", async () => many());
  await stack.run(f, undefined, { id: "e1" });
  const head = readHead((await stack.backend.records.get(headKey("e1")))!);
  expect(head.view.saved).toBe(true);
  expect(await stack.client.artifacts.get({ flow: "f", name: "note100" })).toBe(100);
});
