import { expect, test } from "vitest";
import { World, unique } from "../../test/hazards/kit.ts";
import { advance } from "./advance.ts";
import { contextOf, definitionsAtHand } from "./code.ts";
import type { BundleSource, EngineContext } from "./context.ts";
import { type FlowDefinition, Registry } from "./definitions.ts";
import { startExecution } from "./start.ts";
import { runTask } from "./task.ts";

const flowOf = (name: string, result: string): FlowDefinition => ({
  kind: "flow",
  name,
  fn: async () => result,
  retries: 0,
});

/** Bundles `a`, `b`, … whose flow returns its bundle's name; what is loaded, in order. */
function bundlesOf(name: string): { bundles: BundleSource; loads: string[] } {
  const registries = new Map<string, Registry>();
  const loads: string[] = [];
  return {
    loads,
    bundles: {
      loaded: (bundle) => registries.get(bundle),
      load: async (bundle) => {
        loads.push(bundle);
        if (bundle === "gone") throw new RangeError("gone");
        const registry = new Registry(bundle);
        if (bundle !== "empty") registry.add(flowOf(name, bundle));
        registries.set(bundle, registry);
        return registry;
      },
    },
  };
}

function processOf(world: World, bundles?: BundleSource): EngineContext {
  const { context } = world.process({ registry: new Registry() });
  return bundles === undefined ? context : { ...context, bundles };
}

async function started(
  context: EngineContext,
  name: string,
  pin: { version: string; bundle: string },
): Promise<string> {
  const id = `${name}-${pin.version}`;
  await startExecution(context, { id, flow: { name }, input: undefined, pin, stack: "memory" });
  return id;
}

const run = (context: EngineContext, executionId: string) =>
  advance(context, { executionId, owner: "o" });

test("each execution runs on the definitions of its bundle, which is loaded once", async () => {
  const name = unique("flow");
  const world = new World();
  const { bundles, loads } = bundlesOf(name);
  const context = processOf(world, bundles);
  const pins = [
    { version: "1", bundle: "a" },
    { version: "2", bundle: "b" },
    { version: "3", bundle: "a" },
  ];
  for (const pin of pins) {
    const id = await started(context, name, pin);
    expect(await run(context, id)).toMatchObject({ kind: "end" });
    const record = await world.records.get({ partition: `exec/${id}`, sort: "head" });
    expect(JSON.parse(record!.body)).toMatchObject({
      facts: pin,
      view: { status: "completed", out: { v: pin.bundle } },
    });
  }
  expect(loads).toEqual(["a", "b"]);
});

test("an ended execution needs no code any more, not even to be settled again", async () => {
  const name = unique("flow");
  const world = new World();
  const id = await started(processOf(world), name, { version: "1", bundle: "a" });
  await run(processOf(world, bundlesOf(name).bundles), id);
  const { bundles, loads } = bundlesOf(name);
  expect(await run(processOf(world, bundles), id)).toMatchObject({ kind: "end" });
  expect(loads).toEqual([]);
});

test("a context for what it has already is itself, and one of a version goes back to the program's", async () => {
  const name = unique("flow");
  const { bundles } = bundlesOf(name);
  const context = processOf(new World(), bundles);
  expect(contextOf(context, { version: "local" })).toBe(context);
  const pin = { version: "1", bundle: "a" };
  expect(definitionsAtHand(context, pin)).toBeUndefined();
  const pinned = await contextOf(context, pin);
  expect([pinned.version, pinned.registry.bundle]).toEqual(["1", "a"]);
  expect(contextOf(pinned, pin)).toBe(pinned);
  expect(definitionsAtHand(context, pin)).toBe(pinned.registry);
  const local = await contextOf(pinned, { version: "local" });
  expect([local.registry, local.version]).toEqual([context.registry, "local"]);
  expect(definitionsAtHand(pinned, { version: "local" })).toBe(context.registry);
});

test("a process without bundles runs no version, and a bundle that cannot be loaded says why", async () => {
  const name = unique("flow");
  const world = new World();
  const id = await started(processOf(world), name, { version: "1", bundle: "gone" });
  await expect(run(processOf(world), id)).rejects.toMatchObject({
    code: "state",
    message: "This process cannot run deployed versions.",
  });
  await expect(run(processOf(world, bundlesOf(name).bundles), id)).rejects.toThrow("gone");
});

test("a bundle without the execution's flow is told of, and nothing is run", async () => {
  const name = unique("flow");
  const world = new World();
  const context = processOf(world, bundlesOf(name).bundles);
  const id = await started(context, name, { version: "1", bundle: "empty" });
  await expect(run(context, id)).rejects.toMatchObject({
    code: "state",
    message: `Execution ${id} is pinned to version 1, whose bundle empty does not define flow "${name}". Start it again on another version.`,
  });
});

test("a task of an execution that is not there does nothing", async () => {
  const context = processOf(new World());
  const ref = { executionId: "none", callId: "c:0", attempt: 1 };
  expect(await runTask(context, ref)).toBeUndefined();
});
