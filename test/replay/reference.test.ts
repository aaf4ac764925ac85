import { expect, test } from "vitest";
import { KitaruClient, checkpoint, flow } from "kitaru";
import { replayStack } from "./kit.ts";

const research = checkpoint("ref_research", (topic: string) => `notes about ${topic}`);
const writeDraft = checkpoint("ref_write_draft", (notes: string) => `Draft from ${notes}`);
const publish = checkpoint("ref_publish", (draft: string) => `PUBLISHED: ${draft}`);

const writing = flow("ref_writing", async ({ topic }: { topic: string }) => {
  const notes = await research(topic);
  const draft = await writeDraft(notes);
  return publish(draft);
});

const edited = "PUBLISHED: Draft from edited notes for kitaru";

test("replayed from write_draft with research overridden: a new execution, the source as it was", async () => {
  const stack = await replayStack();
  expect(await stack.run(writing, { topic: "kitaru" }, { id: "source" })).toBe(
    "PUBLISHED: Draft from notes about kitaru",
  );
  const before = await stack.documents("source");
  const handle = writing.replay("source", {
    from: writeDraft,
    with: [research.as("edited notes for kitaru")],
  });
  expect(await stack.finish(handle)).toBe(edited);
  expect(handle.id).not.toBe("source");
  expect(await stack.documents("source")).toEqual(before);
  expect(stack.ran(handle.id)).toEqual(["ref_write_draft:0", "ref_publish:0"]);
  expect(await stack.dispositions(handle.id)).toEqual({
    "ref_research:0": "overridden",
    "ref_write_draft:0": "executed",
    "ref_publish:0": "executed",
  });
  const { replayOf, replay, unusedOverrides } = await stack.client.executions.get(handle.id);
  expect([replayOf, unusedOverrides]).toEqual(["source", undefined]);
  expect(replay).toEqual({
    from: "ref_write_draft:0",
    overrides: [{ target: "checkpoint.ref_research", field: "output", calls: ["ref_research:0"] }],
    skip: [],
  });
  const listed = await stack.client.executions.list();
  expect(new Map(listed.map((item) => [item.id, item.replayOf]))).toEqual(
    new Map([
      [handle.id, "source"],
      ["source", undefined],
    ]),
  );
});

test("the same through the client, with untyped overrides", async () => {
  const stack = await replayStack();
  await stack.run(writing, { topic: "kitaru" }, { id: "source" });
  const replay = await new KitaruClient().executions.replay("source", {
    from: "ref_write_draft",
    overrides: { "checkpoint.ref_research": "edited notes for kitaru" },
    wait: true,
  });
  expect({ ...replay }).toEqual({ source: "source", id: replay.id, status: "completed" });
  expect(JSON.parse(JSON.stringify(replay))).not.toHaveProperty("handle");
  expect(await replay.handle.result()).toBe(edited);
});

test("with nothing overridden nothing runs", async () => {
  const stack = await replayStack();
  await stack.run(writing, { topic: "kitaru" }, { id: "source" });
  const handle = writing.replay("source");
  expect(await stack.finish(handle)).toBe("PUBLISHED: Draft from notes about kitaru");
  expect(stack.ran(handle.id)).toEqual([]);
  expect(new Set(Object.values(await stack.dispositions(handle.id)))).toEqual(new Set(["reused"]));
});

test("fields that are given are laid over the recorded input", async () => {
  const stack = await replayStack();
  await stack.run(writing, { topic: "kitaru" }, { id: "source" });
  const handle = writing.replay("source", { input: { topic: "roofs" } });
  expect(await stack.finish(handle)).toBe("PUBLISHED: Draft from notes about roofs");
});
