import { expect, test } from "vitest";
import { KitaruBackendError } from "../core/errors.ts";
import type { AdvanceParams, Directive, OrchestratorHost } from "../core/ports/orchestrator.ts";
import { virtualClock } from "./clock.ts";
import { type MemoryOrchestratorOptions, memoryOrchestrator } from "./orchestrator.ts";

interface World {
  readonly clock: ReturnType<typeof virtualClock>;
  readonly orchestrator: ReturnType<typeof memoryOrchestrator>;
  readonly advances: AdvanceParams[];
  readonly failures: unknown[];
}

/** An orchestrator whose host does what `advance` says for the nth advance. */
function world(
  advance: (n: number, params: AdvanceParams) => Directive | Promise<Directive>,
  options: Partial<MemoryOrchestratorOptions> = {},
  host: Partial<OrchestratorHost> = {},
): World {
  const clock = virtualClock({ startAt: 0 });
  const orchestrator = memoryOrchestrator({ clock, ...options });
  const advances: AdvanceParams[] = [];
  const failures: unknown[] = [];
  orchestrator.attach({
    advance: async (params) => advance(advances.push(params), params),
    park: async () => true,
    task: async () => undefined,
    crashed: async () => undefined,
    failed: (_id, error) => failures.push(error),
    sweep: async () => 0,
    knows: () => true,
    ...host,
  });
  return { clock, orchestrator, advances, failures };
}

const start = { executionId: "e", flow: "f", generation: 1 };
const park: Directive = { kind: "park", label: "", seen: "absent", wakeAt: 1e9, epoch: 1 };
const end: Directive = { kind: "end" };

test("faults lose and double what they are told to", async () => {
  const { clock, orchestrator, advances } = world((n) => (n < 4 ? park : end), {
    style: "cloud",
    starts: () => 2,
    wakes: () => 0,
  });
  await orchestrator.start(start);
  await clock.settle();
  const owners = advances.map(({ owner }) => owner);
  expect(owners).toEqual(["memory/e#1", "memory/e#2"]);
  expect(orchestrator.orchestrations("e")).toEqual(owners);
  expect(await orchestrator.wake("memory/e#1.1", "e")).toBe(true);
  expect(await orchestrator.wake("memory/e#1", "e")).toBe(false);
  await clock.settle();
  expect(advances).toHaveLength(2);
  orchestrator.spuriousWake("e");
  await clock.settle();
  expect(advances).toHaveLength(4);
});

test("an advance that is late is called again, as the same owner, and has a deadline", async () => {
  const options = { giveUpMs: 1000, advanceMs: 800 };
  const { clock, orchestrator, advances } = world(
    (n) => (n === 1 ? new Promise(() => undefined) : end),
    options,
  );
  await orchestrator.start(start);
  await clock.advanceBy("2s");
  expect(advances.map(({ owner, deadline }) => [owner, deadline])).toEqual([
    ["memory/e#1", 800],
    ["memory/e#1", 1800],
  ]);
  expect(await orchestrator.isGone?.("memory/e#1")).toBe(true);
  expect(await orchestrator.isGone?.("another/e#1")).toBe(false);
});

test("a store that stays away ends the orchestration, other errors do so at once", async () => {
  const away = new KitaruBackendError("away");
  const first = world(() => Promise.reject(away));
  await first.orchestrator.start(start);
  await first.clock.advanceBy("1m");
  expect([first.advances.length, first.failures]).toEqual([4, [away]]);

  const broken = new KitaruBackendError("broken", { code: "corrupt" });
  const second = world(() => Promise.reject(broken));
  await second.orchestrator.start(start);
  await second.clock.settle();
  expect([second.advances.length, second.failures]).toEqual([1, [broken]]);
});

test("a task that throws is reported as crashed; a park that fails is no park", async () => {
  const crashed: string[] = [];
  const ref = { executionId: "e", callId: "c:0", attempt: 1 };
  const { clock, orchestrator, advances } = world(
    (n) => [{ kind: "tasks", tasks: [ref] } as const, park, end][n - 1] ?? end,
    {},
    {
      task: () => Promise.reject(new Error("died")),
      crashed: async (_ref, why) => {
        crashed.push(why);
        throw new Error("the store is away");
      },
      park: () => Promise.reject(new Error("the store is away")),
    },
  );
  await orchestrator.start(start);
  await clock.settle();
  expect(crashed).toEqual(["Error: died"]);
  expect(advances).toHaveLength(3);
});

test("kill ends without a trace, close lets the running advance yield", async () => {
  let isAborted = false;
  const { clock, orchestrator, advances } = world((n, { signal }) =>
    n === 1
      ? park
      : new Promise((resolve) => {
          signal?.addEventListener("abort", () => {
            isAborted = true;
            resolve({ kind: "advance" });
          });
        }),
  );
  await orchestrator.start(start);
  await clock.settle();
  orchestrator.kill("nobody");
  expect(orchestrator.orchestrations()).toHaveLength(1);
  orchestrator.kill();
  expect(await orchestrator.wake("memory/e#1", "e")).toBe(false);
  await orchestrator.start(start);
  await clock.settle();
  expect(advances).toHaveLength(2);
  await orchestrator.close?.();
  expect([isAborted, advances.length]).toEqual([true, 2]);
});

test("without a host, or for a flow nobody knows, nothing is started", async () => {
  const orchestrator = memoryOrchestrator({ clock: virtualClock() });
  await orchestrator.start(start);
  expect(orchestrator.canDrive?.({ flow: "f" })).toBe(false);
  const other = world(() => end, {}, { knows: () => false });
  await other.orchestrator.start(start);
  expect(other.advances).toEqual([]);
});
