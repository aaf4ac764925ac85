import { expect, test } from "vitest";
import { checkPlan } from "../../core/plan/check.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { azure } from "./index.ts";

const plan: Plan = {
  kind: "plan",
  bundle: "abc",
  flows: [],
  inline: [{ checkpoint: "endless", timeoutMs: 20 * 60_000 }],
  tasks: [{ checkpoint: "huge", memoryMb: 3000 }],
  waits: [],
};

test("a name that no storage account may have is refused", () => {
  for (const name of ["ab", "Contoso", "contoso-agents", "1contoso", "x".repeat(25)])
    expect(() => azure({ name })).toThrow(/azure\(\): the name .* is not allowed/);
  expect(azure({ name: "contosoagents" }).describe).toEqual({
    name: "contosoagents",
    memory: "2048 MB",
  });
});

test("what an instance does not hold is told before it is deployed", () => {
  const told = checkPlan(plan, azure({ name: "contosoagents" }).capabilities);
  expect(told[0]).toMatch(/"endless" has a timeout of 1200 s and runs inline, .* 480 s at a time/);
  expect(told[1]).toMatch(/"huge" asks for 3000 MB of memory, .* instance \(2048 MB of memory/);
  const larger = azure({ name: "contosoagents", memoryMb: 4096 });
  expect(checkPlan(plan, larger.capabilities)).toHaveLength(1);
});

test("nothing is asked of anybody before the stack is used", async () => {
  const backend = await azure({ name: "contosoagents" }).open({ name: "prod", root: "." });
  expect(backend.capabilities.kind).toBe("azure");
  await backend.close?.();
});
