import { gcp } from "../../adapters/gcp/index.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { deploy } from "../../core/deployments/deploy.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import type { Cloud } from "../../test/gcp/cloud.ts";
import { startFaultProxy } from "../../test/emulators/fault-proxy.ts";
import type { Execution } from "../../test/emulators/workflows/execution.ts";
import { combine } from "../tally.ts";
import { Counter, type Counts } from "./counter.ts";

/** What one thing a flow does costs on gcp. */
export interface GcpRow extends Counts {
  readonly what: string;
  /** Requests to the functions. */
  readonly requests: number;
  /** Steps of the workflow, without those that are only jumps. */
  readonly steps: number;
}

type Input = Partial<Record<"steps" | "larges" | "fars" | "waits", number>>;
type Orchestrated = Pick<GcpRow, "requests" | "steps">;

/** One execution, counted. */
interface Ran extends Orchestrated {
  /** What the caller asked for to start it, and to answer its waits. */
  readonly started: Counts;
  readonly answered: Counts;
  /** What the functions asked for. */
  readonly functions: Counts;
}

/** Count what a start, each kind of call and an end ask for, from runs that differ in that one thing. */
export async function measureGcp(cloud: Cloud): Promise<readonly GcpRow[]> {
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
  readonly #client = new KitaruClient({ stack: "gcp" });
  readonly #cloud: Cloud;
  readonly #all: Counter;
  readonly #caller: Counter;
  readonly #closing: readonly (() => Promise<void>)[];
  #runs = 0;
  #requests = 0;

  static async open(cloud: Cloud): Promise<Bench> {
    const [database, bucket, orchestration] = await Promise.all(
      [cloud.database, cloud.bucket, cloud.orchestration].map(({ endpoint }) =>
        startFaultProxy(endpoint),
      ),
    );
    if (database === undefined || bucket === undefined || orchestration === undefined)
      throw new TypeError("three proxies have been started");
    const endpoint = {
      firestore: database.endpoint,
      storage: bucket.endpoint,
      workflows: orchestration.endpoint,
      executions: orchestration.endpoint,
    };
    configure({ config: { stacks: { gcp: gcp({ ...cloud.options, endpoint }) } } });
    const entry = new URL("../counted-flows.ts", import.meta.url);
    await deploy(await openStack("gcp"), { entry, flows: ["counted"], tag: "default" });
    const proxies = { database, bucket, orchestration };
    const closing = Object.values(proxies).map((proxy) => () => proxy.close());
    return new Bench(cloud, new Counter(proxies), [() => closeStacks(), ...closing]);
  }

  constructor(cloud: Cloud, caller: Counter, closing: readonly (() => Promise<void>)[]) {
    this.#cloud = cloud;
    this.#caller = caller;
    this.#all = new Counter(cloud);
    this.#closing = closing;
    for (const { proxy } of Object.values(cloud.functions))
      proxy.onReply.add(() => void (this.#requests += 1));
  }

  async close(): Promise<void> {
    for (const close of this.#closing) await close();
  }

  async rows(): Promise<GcpRow[]> {
    await this.#run({ steps: 1, fars: 1 }); // what is loaded once per process
    const none = await this.#run({});
    const [few, more] = [await this.#run({ waits: 1 }), await this.#run({ waits: 3 })];
    const per = async (kind: keyof Input): Promise<Omit<GcpRow, "what">> => {
      const [ten, twenty] = [await this.#run({ [kind]: 10 }), await this.#run({ [kind]: 20 })];
      return each(twenty, ten, 10);
    };
    // each advance reads the journal, so that the reads of an isolated checkpoint grow with those before it
    const [one, three] = [await this.#run({ fars: 1 }), await this.#run({ fars: 3 })];
    const elsewhere = { requests: 0, steps: 0 };
    return [
      { what: "start", ...none.started, ...elsewhere },
      {
        what: "first advance and end",
        ...none.functions,
        requests: none.requests,
        steps: none.steps,
      },
      { what: "checkpoint, small result", ...(await per("steps")) },
      { what: "checkpoint, result of 20 KB", ...(await per("larges")) },
      { what: "isolated checkpoint", ...each(three, one, 2) },
      { what: "wait: parked, and resumed", ...each(more, few, 2) },
      {
        what: "answer",
        ...combine(more.answered, few.answered, (a, b) => (a - b) / 2),
        ...elsewhere,
      },
    ];
  }

  async #run(input: Input): Promise<Ran> {
    const id = `counted-${this.#runs++}`;
    await this.#settle();
    this.#caller.take();
    this.#all.take();
    const before = this.#requests;
    await this.#client.deployments.invoke("counted", input, { id }).started;
    const started = this.#caller.take();
    for (let wait = 0; wait < (input.waits ?? 0); wait++) {
      await this.#parked(id, wait + 1);
      await this.#client.executions.input(id, { wait: `approve:${wait}`, value: undefined });
    }
    const answered = this.#caller.take();
    const execution = await this.#executionOf(id);
    await execution.ended;
    await this.#settle();
    const others = combine(combine(started, answered, sum), this.#caller.take(), sum);
    return {
      started,
      answered,
      functions: combine(this.#all.take(), others, (a, b) => a - b),
      requests: this.#requests - before,
      steps: execution.used.steps,
    };
  }

  /** Resolves once the workflow awaits this many times what wakes it, and nothing else goes on. */
  async #parked(id: string, waits: number): Promise<void> {
    const { steps } = await this.#executionOf(id);
    const step = "wait_for_approve";
    while (steps.at(-1) !== step || steps.filter((one) => one === step).length < waits)
      await this.#settle();
    await this.#settle();
  }

  async #executionOf(id: string): Promise<Execution> {
    const { executions } = this.#cloud.workflows;
    for (;;) {
      const found = executions.find(({ argument }) => argument.includes(`"${id}"`));
      if (found !== undefined) return found;
      await pause(quietMs);
    }
  }

  /** Resolves once nothing has been asked for in a while. */
  async #settle(): Promise<void> {
    for (let seen = -1; seen !== this.#all.seen;) {
      seen = this.#all.seen;
      await pause(quietMs);
    }
  }
}

function each(many: Ran, few: Ran, by: number): Omit<GcpRow, "what"> {
  return {
    ...combine(many.functions, few.functions, (a, b) => (a - b) / by),
    requests: (many.requests - few.requests) / by,
    steps: (many.steps - few.steps) / by,
  };
}

function sum(a: number, b: number): number {
  return a + b;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
