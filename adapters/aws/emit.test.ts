import validate from "asl-validator";
import { describe, expect, test } from "vitest";
import type { Plan } from "../../core/plan/plan.ts";
import { type MachineParts, emitStateMachine, taskState, waitState } from "./emit.ts";

const arn = (name: string): string => `arn:aws:lambda:eu-west-1:123456789012:function:${name}`;
const parts: MachineParts = {
  advance: arn("advance"),
  park: arn("park"),
  bucket: "bucket",
  tasks: [
    {
      size: "default",
      arn: arn("task-default"),
      memoryMb: 1024,
      storageMb: 512,
      timeoutMs: 900_000,
    },
    { size: "large", arn: arn("task-large"), memoryMb: 4096, storageMb: 2048, timeoutMs: 900_000 },
  ],
};

function machineOf(plan: Partial<Plan>): ReturnType<typeof emitStateMachine> {
  const flow = { flow: "review", name: "review-0123456789ab" };
  return emitStateMachine(
    { kind: "plan", bundle: "0123456789abcdef", flows: [flow], waits: [], tasks: [], ...plan },
    flow,
    parts,
  );
}

const long = `w${"x".repeat(79)}`;
const plans: Readonly<Record<string, Partial<Plan>>> = {
  "no wait": {},
  "one wait": { waits: [{ wait: "approve" }] },
  "waits with the longest names": { waits: [{ wait: long }, { wait: `${long.slice(0, 79)}y` }] },
  "isolated checkpoints": {
    tasks: [{ checkpoint: "render", memoryMb: 2048 }, { checkpoint: long }],
  },
};

describe("the state machine of a flow", () => {
  test.each(Object.entries(plans))("with %s is valid", (_, plan) => {
    const machine = machineOf(plan);
    expect(validate(JSON.parse(JSON.stringify(machine)))).toMatchObject({
      isValid: true,
      errors: [],
    });
    for (const name of Object.keys(machine.States)) expect(name.length).toBeLessThanOrEqual(80);
  });

  test("has a state for each wait and each isolated checkpoint, named after it", () => {
    const { States } = machineOf({
      waits: [{ wait: "approve" }],
      tasks: [{ checkpoint: "render" }],
    });
    expect(Object.keys(States)).toEqual(expect.arrayContaining(["Wait for approve", "Run render"]));
    expect(waitState(long)).not.toBe(waitState(`${long.slice(0, 79)}y`));
  });

  test("runs a checkpoint in the smallest function that holds it", () => {
    const { States } = machineOf({
      tasks: [{ checkpoint: "small" }, { checkpoint: "render", memoryMb: 2048 }],
    });
    expect(JSON.stringify(States[taskState("small")])).toContain("task-default");
    expect(JSON.stringify(States[taskState("render")])).toContain("task-large");
  });

  test("refuses a checkpoint that no function holds, and says what there is", () => {
    expect(() => machineOf({ tasks: [{ checkpoint: "huge", memoryMb: 9000 }] })).toThrow(
      /"huge"; there is default \(1024 MB\), large \(4096 MB\)\. Add a size to `taskSizes`/,
    );
  });

  test("passes ids on, and nothing of the flow's data", () => {
    const text = JSON.stringify(machineOf(plans["one wait"] ?? {}));
    expect(text).not.toMatch(/"(?:input|output|value|result)"/);
  });
});
