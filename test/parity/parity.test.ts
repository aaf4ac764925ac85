import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { KitaruClient, configure } from "../../core/index.ts";
import { deploy } from "../../core/deployments/deploy.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { project } from "../deployments/project.ts";
import { type StackName, present, stackNames, stacks, startAll } from "../stacks/stacks.ts";
import { type Scenario, scenarios, written } from "./examples.ts";
import { journalOf } from "./journal.ts";
import { copyProgram, runOn } from "./switch.ts";

vi.hoisted(() => {
  for (const key of ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "KITARU_DEFAULT_MODEL"])
    delete process.env[key];
});

const { here, words } = present(stacks);

describe(`all stacks side by side: ${words}`, () => {
  let root = "";
  let close: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    const started = await startAll(here, (name) => stacks[name].start());
    close = () => started.close();
    root = await project({});
    copyProgram(root);
    configure({ config: { stacks: started.definitions }, root });
  }, 120_000);
  afterAll(async () => {
    await closeStacks();
    await close?.();
    for (const folder of [root, written]) rmSync(folder, { recursive: true, force: true });
  });

  for (const stack of stackNames) {
    const { missing } = stacks[stack];
    test.skipIf(missing !== undefined)(
      `${stack} takes part (${missing ?? "it is here"})`,
      async () => expect(await openStack(stack)).toMatchObject({ stack }),
    );
  }

  test.concurrent.each(scenarios)(
    "$title: the same result, journal and artifacts",
    async (scenario) => {
      const runs = await onEach((stack) => run(stack, scenario), scenario.writes !== undefined);
      expect(runs).toEqual(same(runs.local));
      expect(runs.local?.status).toBe("completed");
      expect(runs.local?.journal.length).toBeGreaterThan(1);
    },
    180_000,
  );

  test.concurrent("a program is switched by its config alone", async () => {
    const all = here.map((stack) => `${stack}: ${stacks[stack].written}`).join(", ");
    const runs = await onEach(async (stack) => {
      const result = await runOn(root, stack, `{ ${all} }`);
      const { status, artifacts, stack: ranOn } = await get(stack, "switched");
      expect(ranOn).toBe(stack);
      const journal = await journalOf(await openStack(stack), "switched");
      return { result, status, artifacts, journal };
    }, true);
    expect(runs).toEqual(same(runs.local));
    expect(runs.local).toMatchObject({
      status: "completed",
      result: { ok: true, child: "second12000", kept: [["pages", 12]] },
      artifacts: [{ artifact: "switched/read:0/pages" }],
    });
  }, 180_000);
});

/** What comes of something on each stack, at once or one after the other. */
async function onEach<T>(
  action: (stack: StackName) => Promise<T>,
  inTurn: boolean,
): Promise<Partial<Record<StackName, T>>> {
  const found: Partial<Record<StackName, T>> = {};
  const add = async (stack: StackName): Promise<void> => {
    found[stack] = await action(stack);
  };
  if (inTurn) for (const stack of here) await add(stack);
  else await Promise.all(here.map(add));
  return found;
}

/** One thing on every stack that is here. */
function same<T>(one: T): Partial<Record<StackName, T>> {
  return Object.fromEntries(here.map((stack) => [stack, one]));
}

/** Run a scenario from its deployed bundle to its end. */
async function run(stack: StackName, scenario: Scenario) {
  const { entry, flow, input, answers = {}, writes, id } = scenario;
  if (writes !== undefined) rmSync(writes, { recursive: true, force: true });
  for (const before of scenario.before ?? []) await run(stack, before);
  const runtime = await openStack(stack);
  const client = new KitaruClient({ stack });
  await deploy(runtime, { entry, flows: [flow], tag: "default" });
  const executionId = id ?? `parity-${scenarios.indexOf(scenario)}`;
  const handle = client.deployments.invoke(flow, input, { id: executionId });
  await handle.started;
  for (;;) {
    const { status, pendingWaits } = await client.executions.get(handle.id);
    if (status === "completed" || status === "failed" || status === "cancelled") break;
    for (const { id: call } of pendingWaits)
      await client.executions.input(handle.id, { wait: call, value: answers[call] });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { status, output, error, artifacts } = await get(stack, handle.id);
  return { status, output, error, artifacts, journal: await journalOf(runtime, handle.id) };
}

/** An execution as a client sees it, without what passes. */
async function get(stack: StackName, id: string) {
  const found = await new KitaruClient({ stack }).executions.get(id);
  return {
    stack: found.stack,
    status: found.status,
    output: found.output,
    error: found.error?.message,
    artifacts: found.artifacts
      .map(({ id: artifact, type, size }) => ({ artifact, type, size }))
      .toSorted((a, b) => (a.artifact < b.artifact ? -1 : 1)),
  };
}
