import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { local } from "../../adapters/local/index.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { closeStacks } from "../../core/stacks.ts";
import { memoryBackend } from "../../testing/backend.ts";
import { virtualClock } from "../../testing/clock.ts";
import { flowModule } from "../deployments/project.ts";
import {
  type StackName,
  type StackUnderTest,
  present,
  stacks as packaged,
  startAll,
} from "../stacks/stacks.ts";
import { flowsText } from "./flows.ts";

type Name = StackName | "second" | "memory";

/** Every stack of the package, the local one in another folder, and one in memory. */
const stacks: Readonly<Record<Name, StackUnderTest>> = {
  ...packaged,
  second: { ...packaged.local, start: () => asIs(local({ folder: "second" })) },
  memory: {
    ...packaged.local,
    start: () => {
      const clock = virtualClock({ startAt: Date.now(), auto: true });
      const backend = memoryBackend({ clock });
      return asIs({ kind: "memory", describe: {}, open: async () => backend });
    },
  },
};

const { here, words } = present(stacks);
const names = Object.keys(stacks) as Name[];
const pairs: readonly Pair[] = names.flatMap((from) =>
  names.filter((to) => to !== from).map((to) => pairOf(from, to)),
);
const others = names.flatMap((stack) => (stack === "local" ? [] : [pairOf("local", stack)]));

let root = "";
let close: (() => Promise<void>) | undefined;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "kitaru-export-"));
  const [opened, entry] = await Promise.all([
    startAll(here, (name) => stacks[name].start()),
    flowModule(flowsText),
  ]);
  close = () => opened.close();
  configure({ config: { stacks: opened.definitions }, root });
  await Promise.all(here.map((stack) => on(stack).deployments.deploy({ entry })));
}, 120_000);
afterAll(async () => {
  await closeStacks();
  await close?.();
  rmSync(root, { recursive: true, force: true });
});

describe(`each to each: ${words}`, () => {
  let journeys = new Map<string, Promise<Journey>>();
  beforeAll(() => {
    // all are under way at once
    const possible = pairs.filter(({ missing }) => missing === undefined);
    journeys = new Map(possible.map((pair) => [pair.id, travel(pair)]));
    for (const journey of journeys.values()) journey.catch(() => undefined);
  });

  for (const { from, to, id, missing, note } of pairs)
    test.skipIf(missing !== undefined)(
      `waiting on ${from}, answered and completed on ${to}${note}`,
      async () => {
        const journey = await journeys.get(id);
        expect(journey).toMatchObject({
          left: { status: "cancelled", pendingWaits: [] },
          refused: `Execution ${id} was moved away`,
          arrived: {
            stack: to,
            imported: { from, copy: false },
            pendingWaits: [{ id: "review:0" }],
          },
          ended: { status: "completed", output: expected },
        });
        expect(journey?.ended.calls.map((call) => [call.id, call.status])).toEqual(calls);
        expect(journey?.ran).toEqual(["write", "count", "count"]);
        expect(journey?.film).toEqual(new Uint8Array(20_000).fill(7));
      },
      180_000,
    );
});

describe("the local stack and another, further", () => {
  for (const { to: stack, missing, note } of others)
    test(
      `here, on ${stack} and back, with a child flow that waits; completed here${note}`,
      { concurrent: true, skip: missing !== undefined, timeout: 180_000 },
      async () => {
        const [home, there] = [on("local"), on(stack)];
        const id = `back-${stack}`;
        const ledger = await started(home, id);
        await move(home, there, id);
        await there.executions.input(id, { value: { ok: false } });
        await asks(there, `${id}/inner:0`, "approve:0");
        await restsOn(there, id);
        await move(there, home, id);
        await expect(there.executions.input(`${id}/inner:0`, { value: true })).rejects.toThrow(
          `Execution ${id}/inner:0 was moved away`,
        );
        await home.executions.input(`${id}/inner:0`, { value: true });
        await asks(home, id, "last:0");
        await home.executions.input(id, {});
        expect(await ends(home, id)).toMatchObject({
          status: "completed",
          output: { ...expected, ok: false },
        });
        expect(linesOf(ledger)).toEqual(["write", "count", "count"]);
        expect((await there.executions.get(id)).status).toBe("cancelled");
      },
    );

  for (const { to: stack, missing, note } of others)
    test(
      `what has ended on ${stack} is kept here, in place of what was moved away${note}`,
      { concurrent: true, skip: missing !== undefined, timeout: 180_000 },
      async () => {
        const [home, there] = [on("local"), on(stack)];
        const id = `kept-${stack}`;
        await started(home, id);
        await move(home, there, id);
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
        await home.executions.import(file);
        const kept = await home.executions.get(id);
        expect(kept).toMatchObject({ status: "completed", output: ended.output });
        expect(kept.calls).toEqual(ended.calls);
        expect(await home.executions.get(`${id}/inner:0`)).toMatchObject({
          status: "completed",
          output: -1,
        });
        expect((await home.executions.logs(id)).map(({ message }) => message)).toEqual(
          expect.arrayContaining(["moved away", "moved here from stack local", "completed"]),
        );
      },
    );
});

const expected = { ok: true, length: 20_000, again: 20_000 };
const calls = ["write:0", "review:0", "inner:0", "last:0", "count:0"].map((id) => [
  id,
  "completed",
]);

interface Pair {
  readonly from: Name;
  readonly to: Name;
  readonly id: string;
  /** Why one of them is not here. */
  readonly missing: string | undefined;
  /** That, in the title of a test. */
  readonly note: string;
}

function pairOf(from: Name, to: Name): Pair {
  const missing = stacks[from].missing ?? stacks[to].missing;
  const note = missing === undefined ? "" : ` (skipped: ${missing})`;
  return { from, to, id: `${from}-to-${to}`, missing, note };
}

/** What was seen of an execution on its way from one stack to another. */
type Journey = Awaited<ReturnType<typeof travel>>;

/** Start on one stack, move as soon as it waits, and answer everything on the other. */
async function travel({ from, to, id }: Pair) {
  const [home, there] = [on(from), on(to)];
  const ledger = await started(home, id);
  await move(home, there, id);
  const left = await home.executions.get(id);
  const refused = await home.executions.input(id, { value: { ok: true } }).then(
    () => "",
    (error: Error) => error.message.slice(0, `Execution ${id} was moved away`.length),
  );
  await restsOn(there, id);
  const arrived = await there.executions.get(id);
  await there.executions.input(id, { value: { ok: true } });
  await asks(there, `${id}/inner:0`, "approve:0");
  await there.executions.input(`${id}/inner:0`, { value: true });
  await asks(there, id, "last:0");
  await there.executions.input(id, {});
  const ended = await ends(there, id);
  const film = await there.artifacts.get({ execution: id, name: "film" });
  return { left, refused, arrived, ended, film, ran: linesOf(ledger) };
}

function on(stack: Name): KitaruClient {
  return new KitaruClient({ stack });
}

async function asIs<T>(definition: T): Promise<{ definition: T; close(): Promise<void> }> {
  return { definition, close: async () => undefined };
}

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

async function asks(client: KitaruClient, id: string, call: string): Promise<void> {
  await until(`${id} asks ${call}`, async () => {
    const found = await client.executions.get(id).catch(() => undefined);
    return found?.status === "waiting" && found.pendingWaits.some((wait) => wait.id === call);
  });
}

/** Until it rests, be it on a child. */
async function restsOn(client: KitaruClient, id: string): Promise<void> {
  const isAtRest = async () => (await client.executions.get(id)).status === "waiting";
  await until(`${id} rests`, isAtRest);
}

async function ends(client: KitaruClient, id: string) {
  const hasEnded = async () => (await client.executions.get(id)).endedAt !== undefined;
  await until(`${id} ends`, hasEnded);
  return client.executions.get(id);
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 120_000;
  while (!(await isTrue())) {
    if (Date.now() > giveUpAt) throw new Error(`It does not come to that: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
}

function linesOf(ledger: string): string[] {
  return readFileSync(ledger, "utf8").trim().split("\n");
}
