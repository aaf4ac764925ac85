import { azure } from "../../adapters/azure/index.ts";
import { instanceId } from "../../adapters/azure/durable-ids.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { deploy } from "../../core/deployments/deploy.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import type { Cloud } from "../../test/azure/cloud.ts";
import { connectionString } from "../../test/emulators/azurite.ts";
import { type FaultProxy, startFaultProxy } from "../../test/emulators/fault-proxy.ts";
import { combine } from "../tally.ts";
import { Counter, type Counts } from "./counter.ts";

/** What one thing a flow does costs on azure. */
export interface AzureRow extends Counts {
  readonly what: string;
  /** Activities of Durable Functions, and turns of the orchestrator. */
  readonly activities: number;
  readonly turns: number;
}

type Input = Partial<Record<"steps" | "larges" | "fars" | "waits", number>>;
type Durable = Pick<AzureRow, "activities" | "turns">;

/** One execution, counted. */
interface Ran extends Durable {
  /** What the caller asked for to start it, and to answer its waits. */
  readonly started: Counts;
  readonly answered: Counts;
  /** What the app asked for. */
  readonly app: Counts;
}

/** Count what a start, each kind of call, an end and a replay ask for, from runs that differ in that one thing. */
export async function measureAzure(cloud: Cloud): Promise<readonly AzureRow[]> {
  const bench = await Bench.open(cloud);
  try {
    return await bench.rows();
  } finally {
    await bench.close();
  }
}

/** How long nothing has to be asked for. */
const quietMs = 150;

class Bench {
  readonly #client = new KitaruClient({ stack: "azure" });
  readonly #cloud: Cloud;
  readonly #all: Counter;
  readonly #caller: Counter;
  readonly #closing: (() => Promise<void>)[];
  #runs = 0;

  static async open(cloud: Cloud): Promise<Bench> {
    const [tables, blobs, queue] = await Promise.all(
      [cloud.tables, cloud.blobs, cloud.queue].map(({ endpoint }) => startFaultProxy(endpoint)),
    );
    if (tables === undefined || blobs === undefined || queue === undefined) throw new TypeError();
    const at = ({ endpoint }: FaultProxy): string => `${endpoint}/devstoreaccount1`;
    const connection = connectionString({
      table: at(tables),
      blob: at(blobs),
      queue: at(queue),
    });
    const definition = azure({ name: cloud.name, connectionString: connection });
    configure({ config: { stacks: { azure: definition } } });
    const entry = new URL("../counted-flows.ts", import.meta.url);
    await deploy(await openStack("azure"), { entry, flows: ["counted"], tag: "default" });
    const closing = [tables, blobs, queue].map((proxy) => () => proxy.close());
    return new Bench(cloud, new Counter({ tables, blobs, queue }), [
      () => closeStacks(),
      ...closing,
    ]);
  }

  constructor(cloud: Cloud, caller: Counter, closing: (() => Promise<void>)[]) {
    this.#cloud = cloud;
    this.#caller = caller;
    this.#all = new Counter(cloud);
    this.#closing = closing;
  }

  async close(): Promise<void> {
    for (const close of this.#closing) await close();
  }

  async rows(): Promise<AzureRow[]> {
    // what is loaded once per process
    await Promise.all([1, 2, 3].map(() => this.#warm()));
    const none = await this.#run({});
    const [few, more] = [await this.#run({ waits: 1 }), await this.#run({ waits: 3 })];
    const per = async (kind: keyof Input): Promise<Omit<AzureRow, "what">> => {
      const [ten, twenty] = [await this.#run({ [kind]: 10 }), await this.#run({ [kind]: 20 })];
      return each(twenty, ten, 10);
    };
    return [
      { what: "start", ...none.started, activities: 0, turns: 0 },
      { what: "first advance and end", ...none.app, ...durableOf(none) },
      { what: "checkpoint, small result", ...(await per("steps")) },
      { what: "checkpoint, result of 20 KB", ...(await per("larges")) },
      { what: "isolated checkpoint", ...(await per("fars")) },
      { what: "wait: parked, and resumed", ...each(more, few, 2) },
      {
        what: "answer",
        ...combine(more.answered, few.answered, (a, b) => (a - b) / 2),
        activities: 0,
        turns: 0,
      },
    ];
  }

  async #warm(): Promise<void> {
    const id = `warm-${this.#runs++}`;
    await this.#client.deployments.invoke("counted", { steps: 1, fars: 1 }, { id }).started;
    await this.#cloud.host.ended(instanceId(id, 1));
  }

  async #run(input: Input): Promise<Ran> {
    const id = `counted-${this.#runs++}`;
    await this.#settle();
    const before = await this.#cloud.host.counts();
    this.#caller.take();
    this.#all.take();
    await this.#client.deployments.invoke("counted", input, { id }).started;
    const started = this.#caller.take();
    for (let wait = 0; wait < (input.waits ?? 0); wait++) {
      await this.#parked(id, before.activities + wait + 1);
      await this.#client.executions.input(id, { wait: `approve:${wait}`, value: undefined });
    }
    const answered = this.#caller.take();
    await this.#cloud.host.ended(instanceId(id, 1));
    await this.#settle();
    const after = await this.#cloud.host.counts();
    const all = this.#all.take();
    const others = combine(combine(started, answered, sum), this.#caller.take(), sum);
    return {
      started,
      answered,
      app: combine(all, others, (a, b) => a - b),
      activities: after.activities - before.activities,
      turns: after.turns - before.turns,
    };
  }

  /** Resolves once the advance before this wait has ended, its token and its index rows written. */
  async #parked(id: string, advances: number): Promise<void> {
    const { host } = this.#cloud;
    for (;;) {
      await this.#settle();
      const found = await host.instance(instanceId(id, 1));
      const { activities } = await host.counts();
      if (found?.customStatus === "Wait for approve" && activities === advances) return;
    }
  }

  /** Resolves once nothing has been asked for in a while: rows that are left over are removed behind a write. */
  async #settle(): Promise<void> {
    for (let seen = -1; seen !== this.#all.seen;) {
      seen = this.#all.seen;
      await pause(quietMs);
    }
  }
}

function each(many: Ran, few: Ran, by: number): Omit<AzureRow, "what"> {
  return {
    ...combine(many.app, few.app, (a, b) => (a - b) / by),
    activities: (many.activities - few.activities) / by,
    turns: (many.turns - few.turns) / by,
  };
}

function durableOf({ activities, turns }: Ran): Durable {
  return { activities, turns };
}

function sum(a: number, b: number): number {
  return a + b;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
