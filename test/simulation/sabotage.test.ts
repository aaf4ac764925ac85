import { describe, expect, test } from "vitest";
import { inboxDraft, readInbox } from "../../core/journal/inbox.ts";
import type { PutResult, RecordDraft, StoredRecord } from "../../core/ports/records.ts";
import type { Scenario } from "../../testing/scenario.ts";
import { type SimulationOptions, type Use, simulate } from "../../testing/simulate.ts";
import { shapes } from "./shapes.ts";

type Sabotage = NonNullable<SimulationOptions["sabotage"]>;

interface Rule {
  /** Breaks the rule. */
  readonly sabotage: Sabotage;
  /** A shape that shows it, and what it must show among other things. */
  readonly shape: string;
  readonly finds: RegExp;
  /** Makes it show soon. */
  readonly scenario?: Partial<Scenario>;
}

const rules: Readonly<Record<string, Rule>> = {
  "a conflict of an append is a lost race": {
    shape: "loop",
    finds: /re-runs to|cannot be re-run|renews epoch|The journal is incomplete/,
    scenario: { style: "cloud", doubledStarts: 1, freezes: 3, giveUpMs: 45_000, faultRate: 0.3 },
    sabotage: onPut(async ({ run }, { sort }) => {
      const result = await run();
      return sort.startsWith("j/") && !result.ok ? { ok: true, version: "none" } : result;
    }),
  },
  "a write is conditional": {
    shape: "loop",
    finds: /has two outcomes|goes from epoch|another one stands/,
    sabotage: onPut(async ({ run, backend }, draft) => {
      const result = await run();
      return result.ok ? result : overwrite(draft, backend);
    }),
  },
  "an item leaves the inbox only once the journal has it": {
    shape: "loop",
    finds: /lost answer of sim_approve:\d from its inbox/,
    sabotage: async <T>(use: Use<T>): Promise<T> => {
      const { operation, kind, backend } = use;
      const result = await use.run();
      if (operation.verb !== "list" || kind !== "advance") return result;
      for (const record of (result as { items: readonly StoredRecord[] }).items)
        if (record.sort === "inbox") await emptyInbox(record, backend);
      return result;
    },
  },
  "parking fails when something has arrived": {
    shape: "child",
    finds: /lost child of sim_child:\d from its inbox/,
    sabotage: onPut(async ({ kind, run, backend }, draft) => {
      const result = await run();
      return kind === "park" && !result.ok ? overwrite(draft, backend) : result;
    }),
  },
  "what is said is found though its wake is lost": {
    shape: "loop",
    finds: /stuck/,
    scenario: { lostWakes: 3, spuriousWakes: 0 },
    sabotage: onPut(async ({ kind, run, backend }, draft) => {
      const result = await run();
      if (kind !== "client" || draft.sort !== "inbox" || !result.ok) return result;
      const { indexes: _due, ...unfindable } = draft;
      return backend.records.put(unfindable, result.version);
    }),
  },
  "who says something reads the journal first": {
    shape: "loop",
    finds: /was accepted, another one stands/,
    sabotage: async <T>(use: Use<T>): Promise<T> => {
      const result = await use.run();
      if (use.operation.verb !== "list" || use.kind !== "client") return result;
      const { items, ...page } = result as { items: readonly StoredRecord[] };
      const unread = items.filter(({ sort }) => !sort.startsWith("j/"));
      return { ...page, items: unread.map(uncounted) } as T;
    },
  },
};

/** As if no entry had been counted, so that none is missed. */
function uncounted(record: StoredRecord): StoredRecord {
  return { ...record, body: record.body.replace(/"pos":\d+/, '"pos":0') };
}

/** Seeds within which each of the rules shows. */
const seeds = 200;

describe("the simulation finds it when a rule is dropped", () => {
  test.for(Object.entries(rules))("%s", { timeout: 60_000 }, async ([, rule]) => {
    const { sabotage, finds, scenario = {} } = rule;
    const shape = shapes[rule.shape]!;
    const found: string[] = [];
    for (let seed = 1; seed <= seeds && !found.some((line) => finds.test(line)); seed++)
      found.push(...(await simulate({ seed, shape, sabotage, scenario })).violations);
    expect(found).toContainEqual(expect.stringMatching(finds));
  });
});

test("the same seed gives the same run", async () => {
  for (const shape of [shapes["child"]!, shapes["isolated"]!]) {
    const runs = [0, 1].map(() => [] as string[]);
    for (const lines of runs) await simulate({ seed: 7, shape, trace: (line) => lines.push(line) });
    expect(runs[0]!.length).toBeGreaterThan(20);
    expect(runs[1]).toEqual(runs[0]);
  }
});

test("a superseded advance that goes on is seen, and changes nothing", async () => {
  const scenario = { style: "cloud", freezes: 5, giveUpMs: 45_000, faultRate: 0.3 } as const;
  let zombieRuns = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const result = await simulate({ seed, shape: shapes["parallel"]!, scenario });
    expect([seed, result.violations]).toEqual([seed, []]);
    zombieRuns += result.zombieRuns;
  }
  expect(zombieRuns).toBeGreaterThan(0);
});

/** Puts of the record store; everything else goes through. */
function onPut(act: (use: Use<PutResult>, draft: RecordDraft) => Promise<PutResult>): Sabotage {
  return async <T>(use: Use<T>): Promise<T> => {
    const { operation } = use;
    if (operation.store !== "records" || operation.draft === undefined) return use.run();
    return (await act(use as Use<unknown> as Use<PutResult>, operation.draft)) as T;
  };
}

async function overwrite(
  draft: RecordDraft,
  { records }: Use<unknown>["backend"],
): Promise<PutResult> {
  const found = await records.get(draft);
  return records.put(draft, found?.version ?? "absent");
}

async function emptyInbox(record: StoredRecord, backend: Use<unknown>["backend"]): Promise<void> {
  const inbox = readInbox(record);
  if (inbox.items.length === 0) return;
  const id = record.partition.slice("exec/".length);
  const { records, capabilities } = backend;
  await records.put(
    inboxDraft(id, { ...inbox, items: [] }, capabilities.dueShards),
    record.version,
  );
}
