import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import { local } from "../../adapters/local/index.ts";
import type { StackDefinition } from "../../core/config.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { deploy } from "../../core/deployments/deploy.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { type Cloud, noCloud, startCloud } from "../aws/cloud.ts";
import { type Scenario, scenarios, written } from "./examples.ts";
import { journalOf } from "./journal.ts";

vi.hoisted(() => {
  for (const key of ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "KITARU_DEFAULT_MODEL"])
    delete process.env[key];
});

/** A cloud's stack beside the local one: what starts it, and why it cannot be started here. */
interface Row {
  readonly stack: string;
  readonly missing: string | undefined;
  start(): Promise<{ readonly definition: StackDefinition; close(): Promise<void> }>;
}

const rows: readonly Row[] = [
  {
    stack: "aws",
    missing: noCloud,
    start: async () => {
      const cloud: Cloud = await startCloud();
      Object.assign(process.env, cloud.env);
      return { definition: aws({ name: cloud.name }), close: () => cloud.close() };
    },
  },
];

describe.each(rows)("$stack and local", ({ stack, missing, start }) => {
  const root = mkdtempSync(join(tmpdir(), "kitaru-parity-local-"));
  let close: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    if (missing !== undefined) return;
    const started = await start();
    close = () => started.close();
    configure({ config: { stacks: { local: local(), [stack]: started.definition } }, root });
  }, 120_000);
  afterAll(async () => {
    await closeStacks();
    await close?.();
    for (const folder of [root, written]) rmSync(folder, { recursive: true, force: true });
  });

  test.skipIf(missing !== undefined).each(scenarios)(
    `$title: the same result, journal and artifacts (${missing ?? "emulated"})`,
    async (scenario) => {
      const [here, there] = [await run("local", scenario), await run(stack, scenario)];
      expect(there).toEqual(here);
      expect(here.status).toBe("completed");
      expect(here.journal.length).toBeGreaterThan(1);
    },
    120_000,
  );
});

/** Run a scenario from its deployed bundle to its end. */
async function run(stack: string, scenario: Scenario) {
  rmSync(written, { recursive: true, force: true });
  for (const before of scenario.before ?? []) await run(stack, before);
  const runtime = await openStack(stack);
  const client = new KitaruClient({ stack });
  const { entry, flow, input, answers = {}, id } = scenario;
  await deploy(runtime, { entry, flows: [flow], tag: "default" });
  const executionId = id ?? `parity-${scenarios.indexOf(scenario)}`;
  const handle = client.deployments.invoke(flow, input, { id: executionId });
  await handle.started;
  for (;;) {
    const { status, pendingWaits } = await client.executions.get(handle.id);
    if (status === "completed" || status === "failed" || status === "cancelled") break;
    for (const { id: call } of pendingWaits)
      await client.executions.input(handle.id, { wait: call, value: answers[call] });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { status, output, error, artifacts } = await client.executions.get(handle.id);
  return {
    status,
    output,
    error: error?.message,
    artifacts: artifacts
      .map(({ id: artifact, type, size }) => ({ artifact, type, size }))
      .toSorted((a, b) => (a.artifact < b.artifact ? -1 : 1)),
    journal: await journalOf(runtime, handle.id),
  };
}
