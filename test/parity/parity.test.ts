import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import { azure } from "../../adapters/azure/index.ts";
import { gcp } from "../../adapters/gcp/index.ts";
import { local } from "../../adapters/local/index.ts";
import type { StackDefinition } from "../../core/config.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { deploy } from "../../core/deployments/deploy.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { type Cloud, noCloud, startCloud } from "../aws/cloud.ts";
import { noCloud as noAzure, startCloud as startAzure } from "../azure/cloud.ts";
import { project } from "../deployments/project.ts";
import { noCloud as noGcp, startCloud as startGcp } from "../gcp/cloud.ts";
import { type Scenario, scenarios, written } from "./examples.ts";
import { journalOf } from "./journal.ts";
import { copyProgram, runOn } from "./switch.ts";

vi.hoisted(() => {
  for (const key of ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "KITARU_DEFAULT_MODEL"])
    delete process.env[key];
});

/** A cloud's stack beside the local one: what starts it, and why it cannot be started here. */
interface Row {
  readonly stack: string;
  readonly missing: string | undefined;
  /** Its definition and that of the local stack, as a config writes them down. */
  readonly written: string;
  start(): Promise<{ readonly definition: StackDefinition; close(): Promise<void> }>;
}

const rows: readonly Row[] = [
  {
    stack: "aws",
    missing: noCloud,
    written: '{ local: local(), aws: aws({ name: "agents" }) }',
    start: async () => {
      const cloud: Cloud = await startCloud();
      Object.assign(process.env, cloud.env);
      return { definition: aws({ name: cloud.name }), close: () => cloud.close() };
    },
  },
  {
    stack: "azure",
    missing: noAzure,
    written:
      '{ local: local(), azure: azure({ name: "agents", connectionString: process.env.AZURE_STORAGE ?? "" }) }',
    start: async () => {
      const { name, connectionString, close } = await startAzure();
      process.env["AZURE_STORAGE"] = connectionString;
      return { definition: azure({ name, connectionString }), close };
    },
  },
  {
    stack: "gcp",
    missing: noGcp,
    written:
      '{ local: local(), gcp: gcp({ name: "agents", project: "agents-project", region: "europe-west4" }) }',
    start: async () => {
      const { options, env, close } = await startGcp();
      Object.assign(process.env, env);
      return { definition: gcp(options), close };
    },
  },
];

describe.each(rows)("$stack and local", ({ stack, missing, written: stacks, start }) => {
  let root = "";
  let close: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    if (missing !== undefined) return;
    const started = await start();
    close = () => started.close();
    root = await project({});
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

  test.skipIf(missing !== undefined)(
    `a program is switched by its config alone (${missing ?? "emulated"})`,
    async () => {
      copyProgram(root);
      const runs = [];
      for (const name of ["local", stack]) {
        const result = await runOn(root, name, stacks);
        const { status, artifacts, stack: ranOn } = await get(name, "switched");
        expect(ranOn).toBe(name);
        const journal = await journalOf(await openStack(name), "switched");
        runs.push({ result, status, artifacts, journal });
      }
      expect(runs[1]).toEqual(runs[0]);
      expect(runs[0]).toMatchObject({
        status: "completed",
        result: { ok: true, child: "second12000", kept: [["pages", 12]] },
        artifacts: [{ artifact: "switched/read:0/pages" }],
      });
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
  const { status, output, error, artifacts } = await get(stack, handle.id);
  return { status, output, error, artifacts, journal: await journalOf(runtime, handle.id) };
}

/** An execution as a client sees it, without what passes. */
async function get(stack: string, id: string) {
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
