import type { ExecutionsClient } from "@google-cloud/workflows";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { WorkflowDirective } from "../../adapters/gcp/directive.ts";
import { leave } from "../../adapters/gcp/directive.ts";
import { emitWorkflow } from "../../adapters/gcp/emit.ts";
import { estimateCost } from "../../adapters/gcp/estimate.ts";
import { prices } from "../../adapters/gcp/prices.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { deployWorkflow, executionsClient, place } from "../emulators/workflows/client.ts";
import type { Execution } from "../emulators/workflows/execution.ts";
import { type WorkflowsEmulator, startWorkflows } from "../emulators/workflows/service.ts";
import { type Answer, type Asked, type ScriptedFunctions, startScripted } from "./scripted.ts";

const flow = { flow: "review", name: "review-0123456789ab" };
const plan: Plan = {
  kind: "plan",
  bundle: "0123456789abcdef",
  flows: [flow],
  waits: [{ wait: "approve" }],
  tasks: [{ checkpoint: "render" }, { checkpoint: "embed", memoryMb: 2048 }],
};
const parent = `${place}/workflows/review`;

let emulator: WorkflowsEmulator;
let client: ExecutionsClient;
let functions: ScriptedFunctions;
/** Answers of each execution's functions, by its id. */
const scripts = new Map<string, Answer>();

beforeAll(async () => {
  functions = await startScripted((asked) => scripts.get(String(asked["executionId"]))?.(asked));
  emulator = await startWorkflows({
    speed: 1000,
    identity: { idToken: async (audience) => `for ${audience}`, accessToken: async () => "access" },
  });
  client = executionsClient(emulator);
  const parts = {
    advance: functions.url,
    task: ({ memoryMb = 0 }) => `${functions.url}/${memoryMb > 1024 ? "large" : "default"}`,
    executions: `${emulator.endpoint}/v1`,
  };
  await deployWorkflow(emulator, "review", emitWorkflow(plan, flow, parts));
});

afterAll(async () => {
  await client.close();
  await emulator.close();
  await functions.close();
});

const completed = { kind: "end", status: "completed" } as const;
type Turn = Partial<WorkflowDirective> | number | undefined;

/** Advances are answered with these in their order, everything else by `others`. */
function script(turns: readonly Turn[], others: Answer = () => ({})): Answer {
  const left = [...turns];
  return (asked) => {
    if (asked.op !== "advance") return others(asked);
    const turn = left.shift();
    return typeof turn === "object" ? { ...leave, ...turn } : turn;
  };
}

async function start(executionId: string, answer: Answer): Promise<Execution> {
  scripts.set(executionId, answer);
  const argument = JSON.stringify({ executionId, generation: 1 });
  const [{ name }] = await client.createExecution({ parent, execution: { argument } });
  const execution = emulator.executions.find((one) => one.name === name);
  if (execution === undefined) throw new Error(`there is no execution ${name}`);
  return execution;
}

async function run(executionId: string, answer: Answer): Promise<Execution> {
  const execution = await start(executionId, answer);
  await execution.ended;
  return execution;
}

function askedOf(executionId: string, op: string): Asked[] {
  return functions.asked.filter((asked) => asked["executionId"] === executionId && asked.op === op);
}

const task = (name: string, n: number) => ({ callId: `${name}:${n}`, attempt: 1, name });

test("a workflow ends as its execution ended", async () => {
  expect(await run("done", script([completed]))).toMatchObject({
    state: "SUCCEEDED",
    result: { executionId: "done" },
    steps: ["init", "open", "advance", "route", "finished"],
  });
  const failed = await run("broken", script([{ kind: "end", status: "failed", code: "timeout" }]));
  expect(failed.state).toBe("FAILED");
  expect(JSON.parse(failed.error?.payload ?? "")).toEqual({ message: "broken", tags: ["timeout"] });
  const cancelled = { kind: "end", status: "cancelled", code: "cancelled" } as const;
  expect(await run("stopped", script([cancelled]))).toMatchObject({ state: "FAILED" });
  // somebody else drives it
  expect(await run("another", script([{ kind: "end" }]))).toMatchObject({ state: "SUCCEEDED" });
});

test("every request is sent as the workflow's account, for the function it is meant for", async () => {
  const tasks = [task("render", 0), task("embed", 0)];
  await run("tokens", script([{ kind: "tasks", tasks, count: 2 }, completed]));
  const audiences = functions.asked.flatMap((asked, at) =>
    asked["executionId"] === "tokens" ? [functions.tokens[at]] : [],
  );
  const paths = audiences.map((token) => token?.replace(`Bearer for ${functions.url}`, ""));
  expect(new Set(paths)).toEqual(new Set(["", "/default", "/large"]));
  expect(paths).toHaveLength(4);
});

test("an advance knows who asks, and each has a callback of its own", async () => {
  const execution = await run("turns", script([{ kind: "advance" }, completed]));
  const [first, second] = askedOf("turns", "advance");
  expect(first).toMatchObject({ workflow: execution.name, after: null });
  expect(first?.["callbackUrl"]).toContain(`${execution.name}/callbacks/`);
  expect(second?.["callbackUrl"]).not.toBe(first?.["callbackUrl"]);
});

test("a wake ends the wait it is meant for, a late one none", async () => {
  const seen: string[] = [];
  const turns = script([
    { kind: "park", label: "approve", seconds: 3600 },
    { kind: "park", label: "another", seconds: 3600 },
    { kind: "park", label: "approve", seconds: 1 },
    completed,
  ]);
  const execution = await start("wakes", async (asked) => {
    seen.push(String(asked["callbackUrl"]));
    // twice the first one, then the second: the third has only its time
    const headers = { authorization: "Bearer emulated" };
    if (seen.length === 1) await fetch(seen[0] ?? "", { method: "POST", headers });
    if (seen.length === 2) for (const url of seen) await fetch(url, { method: "POST", headers });
    return turns(asked);
  });
  await execution.ended;
  expect(execution).toMatchObject({ state: "SUCCEEDED" });
  expect(execution.steps.filter((step) => /^(?:wait_for_\w+|park)$/.test(step))).toEqual([
    "wait_for_approve",
    "park",
    "wait_for_approve",
  ]);
  expect(execution.steps).toContain("unless_wait_for_approve_is_over");
});

test("an advance is asked for again when the cloud fails, and not when it is refused", async () => {
  const turns: Turn[] = [503, undefined, 429, 500, 408, completed];
  expect(await run("again", script(turns))).toMatchObject({ state: "SUCCEEDED" });
  expect(askedOf("again", "advance")).toHaveLength(6);
  const refused = await run("refused", script([403, completed]));
  expect(refused).toMatchObject({ state: "FAILED" });
  expect(refused.error?.payload).toContain("403");
  expect(askedOf("refused", "advance")).toHaveLength(1);
});

test("attempts run at most 20 at once, and what is lost is reported", async () => {
  const tasks = Array.from({ length: 50 }, (_, n) => task("render", n));
  const active = { now: 0, most: 0 };
  const full = Promise.withResolvers<void>();
  const refusals = new Map<string, number>();
  const others: Answer = async ({ op, callId }) => {
    if (op === "crashed") return callId === "render:8" ? 403 : {};
    active.most = Math.max(active.most, ++active.now);
    if (active.now === 20) full.resolve();
    await full.promise;
    await new Promise((resolve) => setTimeout(resolve, 50)); // time for one too many
    active.now--;
    if (callId === "render:7" || callId === "render:8") return 500;
    if (callId !== "render:9") return {};
    refusals.set(callId, (refusals.get(callId) ?? 0) + 1);
    return (refusals.get(callId) ?? 0) < 3 ? 429 : {};
  };
  const turn = { kind: "tasks", label: "render", tasks, count: 50 } as const;
  const execution = await run("fan-out", script([turn, completed], others));
  expect(execution).toMatchObject({ state: "SUCCEEDED" });
  expect(execution.steps).toContain("run_render");
  expect(active.most).toBe(20);
  // what may have begun is not sent again; what was turned away at the door is
  expect(askedOf("fan-out", "task")).toHaveLength(52);
  const report = { op: "crashed", executionId: "fan-out", attempt: 1, why: "HttpError 500" };
  expect(new Set(askedOf("fan-out", "crashed"))).toEqual(
    new Set(["render:7", "render:8"].map((callId) => ({ ...report, callId }))),
  );
  expect(askedOf("fan-out", "crashed")).toHaveLength(2);
});

test("more attempts than fit pass page by page", async () => {
  const others: Answer = ({ op, page }) =>
    op === "page"
      ? { tasks: Array.from({ length: 30 }, (_, n) => task("embed", Number(page) * 30 + n)) }
      : {};
  const turn = { kind: "manyTasks", key: "tasks/many/1", pages: 3, count: 90 } as const;
  expect(await run("many", script([turn, completed], others))).toMatchObject({
    state: "SUCCEEDED",
  });
  expect(askedOf("many", "page").map(({ key, page }) => [key, page])).toEqual(
    [0, 1, 2].map((page) => ["tasks/many/1", page]),
  );
  const ran = new Set(askedOf("many", "task").map(({ callId }) => callId));
  expect(ran.size).toBe(90);
});

test("a new execution takes over before the steps run out, and says after whom", async () => {
  const turn = { kind: "tasks", tasks: [], count: 2000 } as const;
  const first = await run("long", script([turn, { kind: "advance" }, completed]));
  expect(first).toMatchObject({
    state: "SUCCEEDED",
    result: { executionId: "long", renewed: true },
  });
  const next = emulator.executions.find(({ argument }) => argument.includes(first.name));
  await next?.ended;
  expect(next).toMatchObject({ state: "SUCCEEDED", result: { executionId: "long" } });
  expect(JSON.parse(next?.argument ?? "")).toEqual({
    executionId: "long",
    generation: 1,
    after: first.name,
  });
  expect(askedOf("long", "advance").map(({ workflow, after }) => [workflow, after])).toEqual([
    [first.name, null],
    [first.name, null],
    [next?.name, first.name],
  ]);
});

test("what it remembers does not grow, and a turn takes the steps it is counted with", async () => {
  const park = { kind: "park", label: "approve", seconds: 0.001 } as const;
  const turns = (count: number): Answer =>
    script([...Array.from({ length: count }, () => park), completed]);
  const [few, many] = [await run("few", turns(2)), await run("lots", turns(200))];
  expect(many.state).toBe("SUCCEEDED");
  expect(many.used.bytes - few.used.bytes).toBeLessThan(10);
  expect(many.used.bytes).toBeLessThan(4096);
  expect((many.used.steps - few.used.steps) / 198).toBeLessThanOrEqual(8);
  const tasks = Array.from({ length: 100 }, (_, n) => task("render", n));
  const lost: Answer = ({ op }) => (op === "task" ? 500 : {});
  const turn = { kind: "tasks", tasks, count: 100 } as const;
  const fanned = await run("lost", script([turn, completed], lost));
  expect(askedOf("lost", "crashed")).toHaveLength(100);
  expect(fanned.used.steps).toBeLessThanOrEqual(2 * 8 + 100 * 10);
});

test("it takes the steps an estimate counts", async () => {
  const estimated = async (rests: number, isolated: number): Promise<number> => {
    const work = { inline: 0, isolated, rests, largeValues: 0, seconds: 0 };
    const { chosen } = await estimateCost(work, 1);
    const steps = chosen.items.filter(({ unit }) => unit === prices.internalStep.unit);
    return steps.reduce((sum, { quantity }) => sum + quantity, 0);
  };
  const park = { kind: "park", label: "approve", seconds: 60 } as const;
  const turns = script([park, park, completed]);
  const waiting = await run("two-rests", async (asked) => {
    const headers = { authorization: "Bearer emulated" };
    await fetch(String(asked["callbackUrl"]), { method: "POST", headers });
    return turns(asked);
  });
  expect(waiting.used.steps).toBe(await estimated(2, 0));
  const turn = { kind: "tasks", label: "render", tasks: [task("render", 0)], count: 1 } as const;
  const working = await run("one-task", script([turn, completed]));
  expect(working.used.steps).toBe(await estimated(0, 1));
});

test("a directive it does not know fails it", async () => {
  const execution = await run("unknown", script([{ kind: "dance" as "end" }]));
  expect(execution.error?.payload).toContain("dance");
});
