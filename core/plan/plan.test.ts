import { expect, test } from "vitest";
import { memoryCapabilities } from "../../testing/backend.ts";
import { checkPlan } from "./check.ts";
import { type Manifest, isManifest } from "./manifest.ts";
import { buildPlan } from "./plan.ts";

const manifest: Manifest = {
  format: 1,
  bundle: { hash: "ab".repeat(32), bytes: 10 },
  engine: "0.1.0",
  createdAt: "2030-01-01T00:00:00.000Z",
  entry: "flows.ts",
  warnings: [],
  flows: [
    { name: "review", retries: 1, timeoutMs: 60_000 },
    { name: "child", retries: 0 },
  ],
  checkpoints: [
    { name: "near", runtime: "inline", semantics: "at-least-once", retries: 0 },
    { name: "slow", runtime: "inline", semantics: "at-least-once", retries: 0, timeoutMs: 9000 },
    { name: "far", runtime: "isolated", semantics: "at-least-once", retries: 2, timeoutMs: 5000 },
    { name: "away", runtime: "isolated", semantics: "at-most-once", retries: 0 },
  ],
  waits: [
    { name: "ask", gate: false, question: "Approve?" },
    { name: "go", gate: true },
  ],
};

test("a plan names what differs between orchestrations, and cannot be changed", () => {
  const plan = buildPlan(manifest);
  expect(plan).toEqual({
    kind: "plan",
    bundle: "ab".repeat(32),
    flows: [
      { flow: "review", name: "review-abababababab", timeoutMs: 60_000 },
      { flow: "child", name: "child-abababababab" },
    ],
    inline: [{ checkpoint: "slow", timeoutMs: 9000 }],
    tasks: [{ checkpoint: "far", timeoutMs: 5000 }, { checkpoint: "away" }],
    waits: [{ wait: "ask", question: "Approve?" }, { wait: "go" }],
  });
  expect(buildPlan(manifest)).toEqual(plan);
  for (const part of [plan, plan.flows, plan.flows[0], plan.tasks, plan.tasks[0], plan.waits])
    expect(Object.isFrozen(part)).toBe(true);
});

test("a stack without isolated checkpoints says so of each", () => {
  const plan = buildPlan(manifest);
  expect(checkPlan(plan, memoryCapabilities)).toEqual([]);
  expect(checkPlan(plan, { ...memoryCapabilities, kind: "tiny", isolated: false })).toEqual([
    'Checkpoint "far" is isolated, and a stack of kind "tiny" has no invocations of their own for checkpoints. Let it run inline, or choose another stack.',
    'Checkpoint "away" is isolated, and a stack of kind "tiny" has no invocations of their own for checkpoints. Let it run inline, or choose another stack.',
  ]);
});

test("what takes longer or needs more than a stack grants is named, each by itself", () => {
  const away = {
    name: "huge",
    runtime: "isolated",
    semantics: "at-least-once",
    retries: 0,
  } as const;
  const plan = buildPlan({
    ...manifest,
    checkpoints: [...manifest.checkpoints, { ...away, memoryMb: 9000, storageMb: 600 }],
  });
  const limited = {
    ...memoryCapabilities,
    kind: "tiny",
    advanceMs: 8999,
    attemptSizes: [
      { size: "small", memoryMb: 1024, storageMb: 512, timeoutMs: 4000 },
      { size: "wide", memoryMb: 9000, storageMb: 512, timeoutMs: 5000 },
    ],
  };
  expect(checkPlan(plan, limited)).toEqual([
    'Checkpoint "slow" has a timeout of 9 s and runs inline, and a stack of kind "tiny" runs a flow for at most 8.999 s at a time. Give it a shorter timeout, or split it.',
    'Checkpoint "huge" asks for 9000 MB of memory, 600 MB of temporary files, and no size of this stack of kind "tiny" has as much: small (1024 MB of memory, 512 MB of temporary files, 4 s); wide (9000 MB of memory, 512 MB of temporary files, 5 s). Ask for less, or add a size to the stack.',
  ]);
  const [, wide] = limited.attemptSizes;
  const enough = { ...limited, advanceMs: 9000, attemptSizes: [{ ...wide!, storageMb: 600 }] };
  expect(checkPlan(plan, enough)).toEqual([]);
});

test("a manifest of another format is not taken for one", () => {
  expect(isManifest(manifest)).toBe(true);
  for (const other of [null, 1, {}, { format: 2, flows: [] }, { format: 1 }])
    expect(isManifest(other)).toBe(false);
});
