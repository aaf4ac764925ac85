import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { KitaruClient, configure } from "../../core/index.ts";
import type { StackDefinition } from "../../core/config.ts";
import type { EngineContext } from "../../core/engine/context.ts";
import { registry } from "../../core/engine/definitions.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { type MemoryBackendOptions, memoryBackend } from "../../testing/backend.ts";
import { virtualClock } from "../../testing/clock.ts";
import { type StoreOperation, isWrite, storesThrough } from "../../testing/process.ts";

/** One of two stacks in memory, with this program's flows. */
export interface OneOfTwo {
  readonly client: KitaruClient;
  context(): Promise<EngineContext>;
  /** Call `act` once, before a write whose key matches takes effect: the first, or one of a later number. */
  beforeWrite(key: RegExp, act: () => unknown, nth?: number): void;
  /** Resolves once an execution rests on this wait. */
  asks(id: string, wait: string): Promise<void>;
  /** Everything that is stored, by key. */
  stored(): ReadonlyMap<string, string>;
}

export interface TwoStacks {
  readonly here: OneOfTwo;
  readonly there: OneOfTwo;
  /** A path nobody has used. */
  file(): string;
  close(): Promise<void>;
}

/** Open two stacks in memory, `here` and `there`. */
export async function twoStacks(
  options: { readonly here?: MemoryBackendOptions; readonly there?: MemoryBackendOptions } = {},
): Promise<TwoStacks> {
  registry.clear();
  const root = await mkdtemp(join(tmpdir(), "kitaru-two-"));
  const [here, there] = [stackOf("here", options.here), stackOf("there", options.there)];
  const stacks = { here: here.definition, there: there.definition };
  configure({ config: { stacks, stack: "here" }, root });
  let files = 0;
  return {
    here,
    there,
    file: () => join(root, `${++files}.kitaru`),
    close: async () => {
      await closeStacks();
      await rm(root, { recursive: true });
    },
  };
}

function stackOf(stack: string, options: MemoryBackendOptions = {}) {
  const clock = virtualClock({ startAt: Date.now(), auto: true });
  const backend = memoryBackend({ ...options, clock });
  const stored = new Map<string, string>();
  let hook: { readonly key: RegExp; readonly act: () => unknown; left: number } | undefined;
  const stores = storesThrough(backend, async (operation, run) => {
    if (!isWrite(operation)) return run();
    const key = keyOf(operation);
    if (hook?.key.test(key) === true && --hook.left === 0) {
      const { act } = hook;
      hook = undefined;
      await act();
    }
    const done = await run();
    stored.set(key, operation.store === "records" ? (operation.draft?.body ?? "") : "");
    return done;
  });
  const client = new KitaruClient({ stack });
  const definition: StackDefinition = {
    kind: "memory",
    describe: {},
    open: async () => ({ ...backend, ...stores }),
  };
  return {
    definition,
    client,
    context: async () => (await openStack(stack)).context,
    beforeWrite: (key: RegExp, act: () => unknown, nth = 1) =>
      void (hook = { key, act, left: nth }),
    asks: async (id: string, wait: string) => {
      const found = async () => client.executions.get(id).catch(() => undefined);
      await expect.poll(found).toMatchObject({ status: "waiting", pendingWaits: [{ id: wait }] });
    },
    stored: () => stored,
  };
}

function keyOf({ key }: StoreOperation): string {
  return typeof key === "string" ? key : `${key.partition} ${key.sort}`;
}
