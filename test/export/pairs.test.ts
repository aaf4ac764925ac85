import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import { azure } from "../../adapters/azure/index.ts";
import { gcp } from "../../adapters/gcp/index.ts";
import { local } from "../../adapters/local/index.ts";
import type { StackDefinition } from "../../core/config.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { closeStacks } from "../../core/stacks.ts";
import { memoryBackend } from "../../testing/backend.ts";
import { virtualClock } from "../../testing/clock.ts";
import { noCloud, startCloud } from "../aws/cloud.ts";
import { noCloud as noAzure, startCloud as startAzure } from "../azure/cloud.ts";
import { flowModule } from "../deployments/project.ts";
import { noCloud as noGcp, startCloud as startGcp } from "../gcp/cloud.ts";
import { flowsText } from "./flows.ts";

/** A stack beside the local one: what starts it, and why it cannot be started here. */
interface Row {
  readonly stack: string;
  readonly missing: string | undefined;
  start(): Promise<{ readonly definition: StackDefinition; close(): Promise<void> }>;
}

const rows: readonly Row[] = [
  {
    stack: "second",
    missing: undefined,
    start: async () => ({ definition: local({ folder: "second" }), close: async () => undefined }),
  },
  {
    stack: "memory",
    missing: undefined,
    start: async () => {
      const clock = virtualClock({ startAt: Date.now(), auto: true });
      const backend = memoryBackend({ clock });
      const definition = { kind: "memory", describe: {}, open: async () => backend };
      return { definition, close: async () => undefined };
    },
  },
  {
    stack: "aws",
    missing: noCloud,
    start: async () => {
      const cloud = await startCloud();
      Object.assign(process.env, cloud.env);
      return { definition: aws({ name: cloud.name }), close: () => cloud.close() };
    },
  },
  {
    stack: "azure",
    missing: noAzure,
    start: async () => {
      const { name, connectionString, close } = await startAzure();
      return { definition: azure({ name, connectionString }), close };
    },
  },
  {
    stack: "gcp",
    missing: noGcp,
    start: async () => {
      const { options, env, close } = await startGcp();
      Object.assign(process.env, env);
      return { definition: gcp(options), close };
    },
  },
];

describe.each(rows)("$stack and local", ({ stack, missing, start }) => {
  const note = missing === undefined ? "" : ` (skipped: ${missing})`;
  let root = "";
  let close: (() => Promise<void>) | undefined;
  let entry = "";
  const here = new KitaruClient({ stack: "local" });
  const there = new KitaruClient({ stack });

  beforeAll(async () => {
    if (missing !== undefined) return;
    const opened = await start();
    close = () => opened.close();
    root = mkdtempSync(join(tmpdir(), "kitaru-export-"));
    entry = await flowModule(flowsText);
    configure({ config: { stacks: { local: local(), [stack]: opened.definition } }, root });
    await here.deployments.deploy({ entry });
  }, 120_000);
  afterAll(async () => {
    await closeStacks();
    await close?.();
    if (root !== "") rmSync(root, { recursive: true, force: true });
  });

  /** Start on a stack and come to its first question. */
  async function started(client: KitaruClient, id: string): Promise<string> {
    const ledger = join(root, `${id}.txt`);
    const handle = client.deployments.invoke("outer", { ledger, size: 20_000 }, { id });
    await handle.started;
    await asks(client, id, "review:0");
    return ledger;
  }

  async function move(from: KitaruClient, to: KitaruClient, id: string): Promise<void> {
    const file = join(root, `${id}-${Math.random()}.kitaru`);
    const exported = await from.executions.export(id, { file, move: true });
    const imported = await to.executions.import(file);
    if (exported.moved && !imported.copy && imported.status === "waiting") return;
    throw new Error(`not moved: ${JSON.stringify({ exported, imported })}`);
  }

  test.skipIf(missing !== undefined)(
    `waiting here, answered and completed there${note}`,
    async () => {
      const id = `there-${stack}`;
      const ledger = await started(here, id);
      await move(here, there, id);
      expect(await here.executions.get(id)).toMatchObject({
        status: "cancelled",
        pendingWaits: [],
      });
      await expect(here.executions.input(id, { value: { ok: true } })).rejects.toThrow(
        `Execution ${id} was moved away`,
      );
      await restsOn(there, id);
      expect(await there.executions.get(id)).toMatchObject({
        stack,
        imported: { from: "local", copy: false },
        pendingWaits: [{ id: "review:0" }],
      });
      await there.executions.input(id, { value: { ok: true } });
      await asks(there, `${id}/inner:0`, "approve:0");
      await there.executions.input(`${id}/inner:0`, { value: true });
      await asks(there, id, "last:0");
      await there.executions.input(id, {});
      expect(await ends(there, id)).toMatchObject({ status: "completed", output: expected });
      expect(linesOf(ledger)).toEqual(["write", "count", "count"]);
      const film = (await there.artifacts.get({ execution: id, name: "film" })) as Uint8Array;
      expect(film.byteLength).toBe(20_000);
    },
    120_000,
  );

  test.skipIf(missing !== undefined)(
    `here, there and back, with a child flow that waits; completed here${note}`,
    async () => {
      const id = `back-${stack}`;
      const ledger = await started(here, id);
      await move(here, there, id);
      await there.executions.input(id, { value: { ok: false } });
      await asks(there, `${id}/inner:0`, "approve:0");
      await restsOn(there, id);
      await move(there, here, id);
      await expect(there.executions.input(`${id}/inner:0`, { value: true })).rejects.toThrow(
        `Execution ${id}/inner:0 was moved away`,
      );
      await here.executions.input(`${id}/inner:0`, { value: true });
      await asks(here, id, "last:0");
      await here.executions.input(id, {});
      expect(await ends(here, id)).toMatchObject({
        status: "completed",
        output: { ...expected, ok: false },
      });
      expect(linesOf(ledger)).toEqual(["write", "count", "count"]);
      expect((await there.executions.get(id)).status).toBe("cancelled");
    },
    120_000,
  );

  test.skipIf(missing !== undefined)(
    `what has ended there is kept here, in place of what was moved away${note}`,
    async () => {
      const id = `kept-${stack}`;
      await started(here, id);
      await move(here, there, id);
      await there.executions.input(id, { value: { ok: true } });
      await asks(there, `${id}/inner:0`, "approve:0");
      await restsOn(there, id);
      await there.executions.input(`${id}/inner:0`, { value: false });
      await asks(there, id, "last:0");
      await there.executions.input(id, {});
      const ended = await ends(there, id);
      const file = join(root, `${id}.kitaru`);
      expect(await there.executions.export(id, { file })).toMatchObject({
        status: "completed",
        moved: false,
        executions: 2,
      });
      await here.executions.import(file);
      const kept = await here.executions.get(id);
      expect(kept).toMatchObject({ status: "completed", output: ended.output });
      expect(kept.calls).toEqual(ended.calls);
      expect(await here.executions.get(`${id}/inner:0`)).toMatchObject({
        status: "completed",
        output: -1,
      });
      expect((await here.executions.logs(id)).map(({ message }) => message)).toEqual(
        expect.arrayContaining(["moved away", "moved here from stack local", "completed"]),
      );
    },
    120_000,
  );
});

const expected = { ok: true, length: 20_000, again: 20_000 };

async function asks(client: KitaruClient, id: string, call: string): Promise<void> {
  await until(async () => {
    const found = await client.executions.get(id).catch(() => undefined);
    return found?.status === "waiting" && found.pendingWaits.some((wait) => wait.id === call);
  });
}

/** Until it rests, be it on a child. */
async function restsOn(client: KitaruClient, id: string): Promise<void> {
  await until(async () => (await client.executions.get(id)).status === "waiting");
}

async function ends(client: KitaruClient, id: string) {
  await until(async () => (await client.executions.get(id)).endedAt !== undefined);
  return client.executions.get(id);
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 30_000;
  while (!(await isTrue())) {
    if (Date.now() > giveUpAt) throw new Error("it does not come to that");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function linesOf(ledger: string): string[] {
  return readFileSync(ledger, "utf8").trim().split("\n");
}
