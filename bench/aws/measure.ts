import {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  ListStateMachinesCommand,
  SFNClient,
} from "@aws-sdk/client-sfn";
import { aws } from "../../adapters/aws/index.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { deploy } from "../../core/deployments/deploy.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import type { Cloud } from "../../test/aws/cloud.ts";
import { emulated } from "../../test/emulators/dynamodb-local.ts";
import { startFaultProxy } from "../../test/emulators/fault-proxy.ts";
import type { Loaded } from "./loaded.ts";
import { combine } from "../tally.ts";
import { type Counts, Counter } from "./counter.ts";

/** What one thing a flow does costs on aws. */
export interface AwsRow extends Counts {
  readonly what: string;
  /** State transitions of Step Functions. */
  readonly transitions: number;
}

type Input = Partial<Record<"steps" | "tens" | "fars" | "waits", number>>;

/** One execution, counted. */
interface Ran {
  /** What the caller asked for to start it, and to answer its waits. */
  readonly started: Counts;
  readonly answered: Counts;
  /** What the functions asked for. */
  readonly functions: Counts;
  readonly transitions: number;
}

/**
 * Count what a start, each kind of call, an end and a replay ask for, from runs that differ in that one thing; `also` is
 * measured on the same stack.
 */
export async function measureAws(
  cloud: Cloud,
  also: (cloud: Cloud) => Promise<Loaded>,
): Promise<{ readonly rows: readonly AwsRow[]; readonly loaded: Loaded }> {
  const bench = await Bench.open(cloud);
  try {
    const rows = await bench.rows();
    return { rows, loaded: await also(cloud) };
  } finally {
    await bench.close();
  }
}

class Bench {
  readonly #client = new KitaruClient({ stack: "aws" });
  readonly #functions: Counter;
  readonly #caller: Counter;
  readonly #machines: SFNClient;
  readonly #closing: (() => Promise<void>)[];
  #runs = 0;
  #parked = 0;

  static async open(cloud: Cloud): Promise<Bench> {
    const table = await startFaultProxy(cloud.env["AWS_ENDPOINT_URL_DYNAMODB"] ?? "");
    const services = await startFaultProxy(cloud.env["AWS_ENDPOINT_URL"] ?? "");
    Object.assign(process.env, cloud.env, {
      AWS_ENDPOINT_URL: services.endpoint,
      AWS_ENDPOINT_URL_DYNAMODB: table.endpoint,
    });
    configure({ config: { stacks: { aws: aws({ name: cloud.name }) } } });
    const entry = new URL("flows.ts", import.meta.url);
    await deploy(await openStack("aws"), { entry, flows: ["counted"], tag: "default" });
    const closing = [() => closeStacks(), () => table.close(), () => services.close()];
    return new Bench(cloud, new Counter(table, services), closing);
  }

  constructor(cloud: Cloud, caller: Counter, closing: (() => Promise<void>)[]) {
    this.#caller = caller;
    this.#functions = new Counter(cloud.table, cloud.services);
    this.#machines = new SFNClient(emulated(cloud.endpoint));
    this.#closing = closing;
    cloud.table.onReply.add(({ action, body }) => {
      const isPark = body.includes('\\"parked\\"') && body.includes('\\"items\\":[]');
      if (action === "PutItem" && isPark) this.#parked += 1;
    });
  }

  async close(): Promise<void> {
    this.#machines.destroy();
    for (const close of this.#closing) await close();
  }

  async rows(): Promise<AwsRow[]> {
    await this.#run({ steps: 1, tens: 1, fars: 1, waits: 1 }); // what is loaded once per process
    const none = await this.#run({});
    const waits = await this.#run({ waits: 1 });
    const more = await this.#run({ waits: 3 });
    const per = async (kind: keyof Input): Promise<Omit<AwsRow, "what">> => {
      const [few, many] = [await this.#run({ [kind]: 10 }), await this.#run({ [kind]: 20 })];
      return {
        ...combine(many.functions, few.functions, (a, b) => (a - b) / 10),
        transitions: (many.transitions - few.transitions) / 10,
      };
    };
    const half = (a: number, b: number): number => (a - b) / 2;
    return [
      { what: "start", ...none.started, transitions: 0 },
      { what: "first advance and end", ...none.functions, transitions: none.transitions },
      { what: "checkpoint, small result", ...(await per("steps")) },
      { what: "checkpoint, result of 10 KB", ...(await per("tens")) },
      { what: "isolated checkpoint", ...(await per("fars")) },
      {
        what: "wait: parked, and resumed",
        ...combine(more.functions, waits.functions, half),
        transitions: half(more.transitions, waits.transitions),
      },
      { what: "answer", ...combine(more.answered, waits.answered, half), transitions: 0 },
      { what: "replay of 10 checkpoints", ...(await this.#replay()) },
    ];
  }

  async #run(input: Input): Promise<Ran> {
    const id = `counted-${this.#runs++}`;
    this.#take();
    this.#parked = 0;
    await this.#client.deployments.invoke("counted", input, { id }).started;
    const started = this.#caller.take();
    for (let wait = 0; wait < (input.waits ?? 0); wait++) {
      while (this.#parked <= wait) await pause();
      await this.#client.executions.input(id, { wait: `approve:${wait}`, value: undefined });
    }
    const answered = this.#caller.take();
    const transitions = await this.#ended(id);
    const all = this.#functions.take();
    const others = combine(started, answered, (a, b) => a + b);
    return { started, answered, transitions, functions: combine(all, others, (a, b) => a - b) };
  }

  async #replay(): Promise<Omit<AwsRow, "what">> {
    const id = `counted-${this.#runs}`;
    await this.#run({ steps: 10 });
    this.#take();
    const replay = await this.#client.executions.replay(id);
    const transitions = await this.#ended(replay.id);
    return { ...this.#functions.take(), transitions };
  }

  #take(): void {
    this.#caller.take();
    this.#functions.take();
  }

  /** State transitions of a machine, once it has ended. */
  async #ended(id: string): Promise<number> {
    const { stateMachines = [] } = await this.#machines.send(new ListStateMachinesCommand({}));
    const executionArn = `${stateMachines[0]?.stateMachineArn?.replace("stateMachine", "execution")}:${id}-1`;
    for (;;) {
      const { status } = await this.#machines.send(new DescribeExecutionCommand({ executionArn }));
      if (status !== "RUNNING") break;
      await pause();
    }
    const { events = [] } = await this.#machines.send(
      new GetExecutionHistoryCommand({ executionArn, maxResults: 1000 }),
    );
    return events.filter((event) => event.stateEnteredEventDetails !== undefined).length;
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}
