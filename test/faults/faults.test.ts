import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { local } from "../../adapters/local/index.ts";
import { configure } from "../../core/index.ts";
import { closeStacks } from "../../core/stacks.ts";
import { generator } from "../../testing/scenario.ts";
import { type CloudName, present, startAll } from "../stacks/stacks.ts";
import { clouds } from "./clouds.ts";
import { type FaultName, type FaultyCloud, faults } from "./faults.ts";
import { faulty } from "./fixtures/flows.ts";
import { Reference } from "./reference.ts";
import { roundIds, runRounds } from "./rounds.ts";

const seed = Number(process.env["SEED"] ?? 1);
/** Executions that go through each fault, where it is to be more than the list says. */
const more = Number(process.env["ROUNDS"] ?? 0);
const { here, words } = present(clouds);
const cloudNames = Object.keys(clouds) as CloudName[];
const names = Object.keys(faults) as FaultName[];

const reference = new Reference();

describe(`what the local stack writes, whatever goes wrong; SEED=${seed}: ${words}`, () => {
  const running = new Map<CloudName, FaultyCloud>();
  let root = "";
  let close: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    const all = await startAll(here, (name) => clouds[name].start(generator(seed)));
    close = () => all.close();
    for (const name of here) running.set(name, all.started[name].faulty);
    root = mkdtempSync(join(tmpdir(), "kitaru-faults-"));
    configure({ config: { stacks: { local: local(), ...all.definitions } }, root });
    const entry = new URL("fixtures/flows.ts", import.meta.url);
    await Promise.all(["local", ...here].map((stack) => faulty.deploy({ entry, stack })));
  }, 180_000);
  afterAll(async () => {
    await closeStacks();
    await close?.();
    rmSync(root, { recursive: true, force: true });
  });

  // a cloud has one fault at a time, and the clouds have theirs beside one another
  for (const stack of cloudNames) {
    const { missing } = clouds[stack];
    const options = { concurrent: true, skip: missing !== undefined };
    describe(`${stack} (${missing ?? "emulated"})`, options, () => {
      for (const name of names)
        test(
          faults[name].title,
          { concurrent: false, timeout: 300_000 + more * 5000 },
          async () => {
            const cloud = running.get(stack);
            if (cloud === undefined) throw new Error(`${stack} does not run`);
            expect(await leftOut(cloud, name)).toEqual([]);
          },
        );
    });
  }
});

/** Put executions through a fault; resolves to the things it consists of that have not happened. */
async function leftOut(cloud: FaultyCloud, name: FaultName): Promise<string[]> {
  const { title: _title, ...fault } = faults[name];
  const rounds = { ...fault, rounds: Math.max(more, fault.rounds), name, stack: cloud.name };
  const { counts, answerAfter, stop } = await cloud.inject[name](roundIds(rounds));
  try {
    const sweep = (aheadMs: number): Promise<void> => cloud.sweep(aheadMs);
    await runRounds({ ...rounds, answerAfter, sweep, reference });
    const counted = Object.entries(await counts());
    return counted.flatMap(([what, times]) => (times > 0 ? [] : [what]));
  } finally {
    stop?.();
    await cloud.heal();
  }
}
