import { expect, test } from "vitest";
import type { Plan } from "../../core/plan/plan.ts";
import { previewFlow } from "./preview.ts";

const flow = { flow: "review", name: "review-abc" };
const plan: Plan = {
  kind: "plan",
  bundle: "abc",
  flows: [flow],
  tasks: [{ checkpoint: "draw" }],
  waits: [{ wait: "approve" }],
};

test("a flow's steps are those its instances show in the portal, and all lead back to the advance", () => {
  const { name, definition, edges } = previewFlow(plan, flow);
  expect(name).toBe("kitaru-flow-1");
  expect(definition).toMatchObject({ startAt: "Advance", input: { flow: "review" } });
  const from = (step: string): string[] =>
    edges.filter(([start]) => start === step).map(([, to]) => to);
  expect(from("Advance")).toEqual([
    "Advance",
    "Wait for approve",
    "Wait",
    "Run draw",
    "Run tasks",
    "Completed",
    "Failed",
  ]);
  for (const step of ["Wait for approve", "Wait", "Run draw", "Run tasks"])
    expect(from(step)).toEqual(["Advance"]);
  expect([...from("Completed"), ...from("Failed")]).toEqual([]);
});

test("a flow without isolated checkpoints runs no tasks", () => {
  const { edges } = previewFlow({ ...plan, tasks: [] }, flow);
  expect(edges.filter(([, to]) => to.startsWith("Run"))).toEqual([]);
});
