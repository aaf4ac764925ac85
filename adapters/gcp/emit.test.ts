import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { Plan } from "../../core/plan/plan.ts";
import { type WorkflowParts, emitWorkflow, workflowDefinition } from "./emit.ts";

const parts: WorkflowParts = {
  advance: "https://advance.run.app",
  task: ({ memoryMb = 0 }) => `https://task-${memoryMb > 1024 ? "large" : "default"}.run.app`,
};
const flow = { flow: "review", name: "review-0123456789ab" };

function planOf(plan: Partial<Plan>): Plan {
  return { kind: "plan", bundle: "0123456789abcdef", flows: [flow], waits: [], tasks: [], ...plan };
}

function stepsOf(plan: Partial<Plan>): Map<string, Record<string, unknown>> {
  const { main } = workflowDefinition(planOf(plan), parts);
  return new Map(main.steps.flatMap((step) => Object.entries(step)));
}

const long = `w${"x".repeat(79)}`;
const numbered = (length: number): string[] =>
  Array.from({ length }, (_, at) => `${String(at).padStart(4, "n")}${"x".repeat(76)}`);

describe("the workflow of a flow", () => {
  test("has a step for each wait and each isolated checkpoint, named after it", () => {
    const steps = stepsOf({ waits: [{ wait: "approve" }], tasks: [{ checkpoint: "render" }] });
    expect([...steps.keys()]).toEqual(expect.arrayContaining(["wait_for_approve", "run_render"]));
  });

  test("makes names legal, and keeps those apart that then look the same", () => {
    const waits = ["sign-off", "a-b", "a_b", long, `${long.slice(0, 79)}y`];
    const tasks = ["a-b", "tasks", "many-tasks"];
    const names = [
      ...stepsOf({
        waits: waits.map((wait) => ({ wait })),
        tasks: tasks.map((checkpoint) => ({ checkpoint })),
      }).keys(),
    ];
    const waited = names.filter((name) => name.startsWith("wait_for_"));
    expect(waited).toContain("wait_for_sign_off");
    expect(new Set(waited).size).toBe(waits.length);
    const run = names.filter((name) => name.startsWith("run_"));
    expect(run).toContain("run_a_b");
    expect(new Set(run).size).toBe(tasks.length + 2);
    for (const name of names) expect(name).toMatch(/^\w{1,70}$/);
  });

  test("stays below the limits of a source, whatever a bundle holds", () => {
    const source = emitWorkflow(
      planOf({
        waits: numbered(1000).map((wait) => ({ wait })),
        tasks: numbered(200).map((checkpoint) => ({
          checkpoint,
          memoryMb: checkpoint.length * 20,
        })),
      }),
      flow,
      parts,
    );
    expect(Buffer.byteLength(source)).toBeLessThan(128 * 1024);
    const { main } = parse(source);
    for (const step of main.steps) {
      const [body] = Object.values<Record<string, readonly unknown[]>>(step);
      expect(body?.["switch"]?.length ?? 0).toBeLessThanOrEqual(50);
      expect(body?.["assign"]?.length ?? 0).toBeLessThanOrEqual(50);
    }
    for (const [expression] of source.matchAll(/\$\{.*?\}(?='?$)/gm))
      expect(expression.length).toBeLessThanOrEqual(400);
  });

  test("sends a checkpoint to the function that holds it", () => {
    const tasks = [{ checkpoint: "small" }, { checkpoint: "render", memoryMb: 2048 }];
    const steps = stepsOf({ tasks });
    expect(JSON.stringify(steps.get("run_small"))).toContain("task-default");
    expect(JSON.stringify(steps.get("run_render"))).toContain("task-large");
    expect(JSON.stringify(steps.get("run_tasks"))).toContain("${urls[task.name]}");
    const one = stepsOf({ tasks: [{ checkpoint: "small" }] });
    expect(JSON.stringify(one.get("run_tasks"))).toContain("task-default");
    expect(JSON.stringify(one.get("init"))).not.toContain("urls");
  });

  test("asks nobody without an identity", () => {
    const source = emitWorkflow(planOf({ tasks: [{ checkpoint: "render" }] }), flow, parts);
    const calls = source.match(/call: http/g)?.length;
    expect(source.match(/type: (?:OIDC|OAuth2)/g)?.length).toBe(calls);
    expect(source.match(/audience: "https:\/\/\w+/g)?.length).toBe((calls ?? 0) - 1);
  });

  test("passes ids on, and nothing of the flow's data", () => {
    const source = emitWorkflow(planOf({ waits: [{ wait: "approve" }] }), flow, parts);
    expect(source).not.toMatch(/\b(?:output|value|http_request)\b/);
  });

  test("has no step that nothing leads to", () => {
    const { main } = workflowDefinition(
      planOf({ waits: [{ wait: "approve" }], tasks: [{ checkpoint: "render" }] }),
      parts,
    );
    const names = main.steps.flatMap((step) => Object.keys(step));
    const text = JSON.stringify(main);
    const jumpsAway = (at: number): boolean => {
      const [body] = Object.values(main.steps[at] ?? {});
      return ["next", "return", "raise"].some((key) => key in (body ?? {}));
    };
    for (const [at, name] of names.entries())
      expect([name, at === 0 || !jumpsAway(at - 1) || text.includes(`"next":"${name}"`)]).toEqual([
        name,
        true,
      ]);
  });
});
