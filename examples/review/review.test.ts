import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { KitaruClient, configure } from "kitaru";
import { local } from "kitaru/local";
import { approveDraft, reviewFlow } from "./flow.ts";

test("a draft is returned once it is approved, and an early answer is kept for its question", async () => {
  const root = await mkdtemp(join(tmpdir(), "review-"));
  configure({ root, config: { stacks: { local: local() } } });
  const handle = reviewFlow.run({ document: "Roofs leak. Two offers came in. One expires soon." });
  await handle.started;
  await approveDraft.answer(handle.id, true);
  expect(await handle.result()).toContain("Roofs leak");
  const execution = await new KitaruClient().executions.get(handle.id);
  expect(new Map(execution.calls.map((call) => [call.id, call.status]))).toEqual(
    new Map([
      ["research:0", "completed"],
      ["draft:0", "completed"],
      ["approve_draft:0", "completed"],
    ]),
  );
  expect(execution.usage.totalTokens).toBeGreaterThan(0);
});
