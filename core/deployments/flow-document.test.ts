import { expect, test } from "vitest";
import { memoryBackend } from "../../testing/backend.ts";
import { engineContext } from "../engine/context.ts";
import { Registry } from "../engine/definitions.ts";
import { KitaruBackendError } from "../errors.ts";
import type { Capabilities } from "../ports/backend.ts";
import type { RecordStore } from "../ports/records.ts";
import { type FlowDocument, changeFlow, readFlow } from "./flow-document.ts";
import { reserveVersion } from "./tags.ts";

const reserve = (document: FlowDocument): FlowDocument => reserveVersion(document, 1);
const tag =
  (name: string, version: number) =>
  (document: FlowDocument): FlowDocument => ({
    ...document,
    tags: { ...document.tags, [name]: version },
  });

const never = (): never => {
  throw new Error("not used here");
};
const unused = { delete: never, list: never, listIndex: never };

function world(capabilities: Partial<Capabilities> = {}) {
  const backend = memoryBackend({ capabilities });
  const { records } = backend;
  const through = (put: RecordStore["put"]) =>
    engineContext({
      registry: new Registry(),
      backend: { ...backend, records: { get: (key) => records.get(key), put, ...unused } },
    });
  return { context: through((draft, expected) => records.put(draft, expected)), through, records };
}

test("a flow that was never deployed has an empty document", async () => {
  expect(await readFlow(world().context, "f")).toEqual({
    next: 1,
    versions: {},
    tags: {},
    writes: [],
  });
});

test("writers that meet each get a number of their own, and none is left out", async () => {
  const { context } = world();
  const given: number[] = [];
  const take = async (): Promise<void> => {
    let mine = 0;
    await changeFlow(context, "f", (document) => {
      mine = document.next;
      return reserve(document);
    });
    given.push(mine);
  };
  await Promise.all(Array.from({ length: 20 }, take));
  expect(given.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
  const { next, versions, writes } = await readFlow(context, "f");
  expect([next, Object.keys(versions).length, writes.length]).toEqual([21, 20, 16]);
});

test("a change whose reply was lost is not made again over what came after it", async () => {
  const { context, through, records } = world();
  let lost = false;
  const forgetful = through(async (draft, expectation) => {
    const result = await records.put(draft, expectation);
    if (lost) return result;
    lost = true;
    await changeFlow(context, "f", tag("stable", 2));
    return { ok: false };
  });
  const after = await changeFlow(forgetful, "f", tag("stable", 1));
  expect(after.tags).toEqual({ stable: 2 });
});

test("what a change throws is thrown, and nothing is written", async () => {
  const { context } = world();
  await changeFlow(context, "f", reserve);
  const refuse = (): never => {
    throw new RangeError("no");
  };
  await expect(changeFlow(context, "f", refuse)).rejects.toThrow("no");
  expect((await readFlow(context, "f")).next).toBe(2);
});

test("a store that is away is told of", async () => {
  const away = world().through(() => Promise.reject(new KitaruBackendError("away")));
  await expect(changeFlow(away, "f", reserve)).rejects.toThrow("away");
});

test("a document that would not fit says what to do", async () => {
  const { context } = world({ recordBytes: 200 });
  const many = async (): Promise<void> => {
    for (let version = 0; version < 20; version += 1) await changeFlow(context, "f", reserve);
  };
  await expect(many()).rejects.toMatchObject({
    code: "state",
    message: expect.stringMatching(
      /^Flow "f" has \d versions, more than its document can hold on this stack\. Delete old ones: kitaru flow delete f --version N\.$/,
    ),
  });
});
