import { expect, test } from "vitest";
import type { AppMessage } from "./directive.ts";
import { DurableOrchestrator } from "./orchestrator.ts";

function withSent(isThere = true) {
  const sent: AppMessage[] = [];
  const instances = async () => ({
    send: async (message: AppMessage) => {
      sent.push(message);
      return isThere;
    },
  });
  return { sent, orchestrator: new DurableOrchestrator({ stack: "prod", instances }) };
}

test("a start and a wake are sent as ids", async () => {
  const { sent, orchestrator } = withSent();
  await orchestrator.start({ executionId: "a", flow: "f", bundle: "b", generation: 2 });
  expect(await orchestrator.wake("a:2#4", "a")).toBe(true);
  await orchestrator.stop();
  expect(sent).toEqual([
    { op: "start", executionId: "a", flow: "f", bundle: "b", generation: 2 },
    { op: "wake", token: "a:2#4", executionId: "a" },
  ]);
});

test("whoever is known not to listen is not woken", async () => {
  expect(await withSent(false).orchestrator.wake("a:2#4", "a")).toBe(false);
  const { sent, orchestrator } = withSent();
  expect(await orchestrator.wake("a:2", "a")).toBe(false);
  expect(sent).toEqual([]);
});

test("a flow that is not deployed is refused", async () => {
  await expect(
    withSent().orchestrator.start({ executionId: "a", flow: "f", generation: 1 }),
  ).rejects.toThrow(/Flow "f" cannot run from source on the stack "prod". Deploy it/);
});
