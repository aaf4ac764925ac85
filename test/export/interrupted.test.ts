import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { StackDefinition } from "../../core/config.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { sweep } from "../../core/engine/sweep.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { memoryBackend } from "../../testing/backend.ts";
import { virtualClock } from "../../testing/clock.ts";
import { isWrite, storesThrough } from "../../testing/process.ts";
import { flowModule } from "../deployments/project.ts";
import { flowsText } from "./flows.ts";

/** What becomes of a write at which a process ends. */
type Fate = "before" | "after";

/** A stack in memory at one of whose writes the process that makes it ends. */
interface Frail {
  readonly definition: StackDefinition;
  /** End at the write of this number, from 1; 0 at none. */
  endAt(write: number, fate: Fate): void;
  writes(): number;
}

function frail(): Frail {
  const backend = memoryBackend({ clock: virtualClock({ startAt: Date.now(), auto: true }) });
  const state = { at: 0, writes: 0, fate: "before" as Fate };
  const stores = storesThrough(backend, async (operation, run) => {
    if (!isWrite(operation) || ++state.writes !== state.at) return run();
    if (state.fate === "after") await run();
    throw new Error("the process has ended");
  });
  return {
    definition: {
      kind: "memory",
      describe: {},
      open: async () => ({ ...backend, ...stores }),
    },
    endAt: (at, fate) => void Object.assign(state, { at, fate, writes: 0 }),
    writes: () => state.writes,
  };
}

let root = "";
let entry = "";
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "kitaru-interrupted-"));
  entry = await flowModule(flowsText);
});
afterEach(async () => {
  await closeStacks();
  rmSync(root, { recursive: true });
});

const one = new KitaruClient({ stack: "one" });
const two = new KitaruClient({ stack: "two" });

/** Resolves once an execution asks, on a stack that is swept meanwhile, as each is. */
async function asks(stack: string, id: string, wait: string): Promise<void> {
  const { context } = await openStack(stack);
  const { executions } = new KitaruClient({ stack });
  await expect
    .poll(async () => {
      await sweep(context);
      return (await executions.get(id).catch(() => undefined))?.pendingWaits;
    })
    .toMatchObject([{ id: wait }]);
}

async function is(client: KitaruClient, status: string): Promise<void> {
  for (const id of status === "waiting" ? ["e", "e/inner:0"] : ["e"])
    await expect.poll(async () => (await client.executions.get(id)).status).toBe(status);
}

/** An execution whose child flow waits, on stack "one". */
async function started(): Promise<{ readonly stacks: readonly [Frail, Frail]; ledger: string }> {
  const stacks = [frail(), frail()] as const;
  const ledger = join(root, `${Math.random()}.txt`);
  await closeStacks();
  configure({
    config: { stacks: { one: stacks[0].definition, two: stacks[1].definition } },
    root,
  });
  await one.deployments.deploy({ entry });
  await one.deployments.invoke("outer", { ledger, size: 9000 }, { id: "e" }).started;
  await asks("one", "e", "review:0");
  await one.executions.input("e", { value: { ok: true } });
  await asks("one", "e/inner:0", "approve:0");
  await is(one, "waiting");
  return { stacks, ledger };
}

async function exported(client: KitaruClient): Promise<string> {
  const file = join(root, `${Math.random()}.kitaru`);
  await client.executions.export("e", { file, move: true });
  return file;
}

/** Import a file where the process ends at one write, and then again; resolves to whether it ended. */
async function importedTwice(client: KitaruClient, stack: Frail, file: string): Promise<boolean> {
  const first = await client.executions.import(file).then(() => "imported", String);
  stack.endAt(0, "before");
  if (first === "imported") return false;
  expect(first).toContain("the process has ended");
  // where all was written but what says so was lost, it is here already
  const again = await client.executions.import(file).then(() => "imported", String);
  expect(again).toMatch(/^imported$|is on stack "\w+" already/);
  return true;
}

async function finished(stack: string, ledger: string): Promise<void> {
  const client = new KitaruClient({ stack });
  await asks(stack, "e/inner:0", "approve:0");
  await client.executions.input("e/inner:0", { value: true });
  await asks(stack, "e", "last:0");
  await client.executions.input("e", {});
  await is(client, "completed");
  expect(await client.executions.get("e")).toMatchObject({
    status: "completed",
    output: { ok: true, length: 9000, again: 9000 },
  });
  expect(readFileSync(ledger, "utf8")).toBe("write\ncount\ncount\n");
}

test.each(["before", "after"] as const)(
  "an import whose process ends %s any of its writes is repeated, and the execution goes on once",
  async (fate) => {
    for (let write = 1; ; write++) {
      const { stacks, ledger } = await started();
      const file = await exported(one);
      stacks[1].endAt(write, fate);
      const hasEnded = await importedTwice(two, stacks[1], file);
      await finished("two", ledger);
      if (hasEnded) continue;
      expect(write).toBeGreaterThan(8);
      return;
    }
  },
  180_000,
);

test.each(["before", "after"] as const)(
  "so is one of what was moved away and comes back, %s",
  async (fate) => {
    for (let write = 1; ; write++) {
      const { stacks, ledger } = await started();
      await two.executions.import(await exported(one));
      await asks("two", "e/inner:0", "approve:0");
      await is(two, "waiting");
      const file = await exported(two);
      stacks[0].endAt(write, fate);
      const hasEnded = await importedTwice(one, stacks[0], file);
      await finished("one", ledger);
      if (hasEnded) continue;
      expect(write).toBeGreaterThan(4);
      return;
    }
  },
  180_000,
);
