import { KitaruClient } from "../core/index.ts";
import { type Numbers, type Tally, combine } from "./tally.ts";

/** How often the flow of `counted-flows.ts` does what. */
type Input = Partial<Record<"steps" | "larges" | "fars" | "waits", number>>;

/** A cloud that executions are counted on: what its services are asked for, and what its orchestrator does. */
export interface CountedCloud<Asked extends Numbers<Asked>, Done extends Numbers<Done>> {
  /** Name of the stack. */
  readonly stack: string;
  /** All that is asked for, and what the caller asks for of that. */
  readonly all: Tally<Asked>;
  readonly caller: Tally<Asked>;
  /** What the orchestrator has done so far. */
  readonly done: () => Promise<Done>;
  /** Whether an execution is parked at its wait of this number, from 1; `before` is what had been done when it started. */
  readonly isParked: (id: string, wait: number, before: Done) => Promise<boolean>;
  /** Resolves once the orchestration of an execution has ended. */
  readonly ended: (id: string) => Promise<void>;
}

/** What one thing a flow does costs. */
export type CountedRow<Asked, Done> = Asked & Done & { readonly what: string };

/** One execution, counted. */
interface Ran<Asked, Done> {
  /** What the caller asked for to start it, and to answer its waits. */
  readonly started: Asked;
  readonly answered: Asked;
  /** What the functions asked for. */
  readonly functions: Asked;
  readonly done: Done;
}

/** How long nothing has to be asked for. */
const quietMs = 150;

/** Executions of the flow of `counted-flows.ts`, one at a time. */
export class CountedRuns<Asked extends Numbers<Asked>, Done extends Numbers<Done>> {
  readonly #cloud: CountedCloud<Asked, Done>;
  readonly #client: KitaruClient;
  #runs = 0;

  constructor(cloud: CountedCloud<Asked, Done>) {
    this.#cloud = cloud;
    this.#client = new KitaruClient({ stack: cloud.stack });
  }

  /** Run it without counting: what is loaded once per process is loaded then. */
  async warm(): Promise<void> {
    const id = `warm-${this.#runs++}`;
    await this.#client.deployments.invoke("counted", { steps: 1, fars: 1 }, { id }).started;
    await this.#cloud.ended(id);
  }

  /**
   * What a start, each kind of call and an end ask for, from runs that differ in that one thing; `fars` says how many isolated
   * checkpoints the two runs have that are compared.
   */
  async rows(fars: readonly [few: number, many: number]): Promise<CountedRow<Asked, Done>[]> {
    const none = await this.#run({});
    const nothing = combine(none.done, none.done, difference);
    const [few, more] = [await this.#run({ waits: 1 }), await this.#run({ waits: 3 })];
    const answer = combine(more.answered, few.answered, (a, b) => (a - b) / 2);
    return [
      { what: "start", ...none.started, ...nothing },
      { what: "first advance and end", ...none.functions, ...none.done },
      { what: "checkpoint, small result", ...(await this.#each("steps", [10, 20])) },
      { what: "checkpoint, result of 20 KB", ...(await this.#each("larges", [10, 20])) },
      { what: "isolated checkpoint", ...(await this.#each("fars", fars)) },
      { what: "wait: parked, and resumed", ...perOne(more, few, 2) },
      { what: "answer", ...answer, ...nothing },
    ];
  }

  /** Resolves once nothing has been asked for in a while. */
  async #settle(): Promise<void> {
    const { all } = this.#cloud;
    for (let seen = -1; seen !== all.seen;) {
      seen = all.seen;
      await new Promise((resolve) => {
        setTimeout(resolve, quietMs);
      });
    }
  }

  async #each(kind: keyof Input, [few, many]: readonly [number, number]): Promise<Asked & Done> {
    const fewer = await this.#run({ [kind]: few });
    return perOne(await this.#run({ [kind]: many }), fewer, many - few);
  }

  async #run(input: Input): Promise<Ran<Asked, Done>> {
    const { all, caller } = this.#cloud;
    const id = `counted-${this.#runs++}`;
    await this.#settle();
    const before = await this.#cloud.done();
    caller.take();
    all.take();
    await this.#client.deployments.invoke("counted", input, { id }).started;
    const started = caller.take();
    for (let wait = 0; wait < (input.waits ?? 0); wait++) {
      do await this.#settle();
      while (!(await this.#cloud.isParked(id, wait + 1, before)));
      await this.#settle();
      await this.#client.executions.input(id, { wait: `approve:${wait}`, value: undefined });
    }
    const answered = caller.take();
    await this.#cloud.ended(id);
    await this.#settle();
    const others = combine(combine(started, answered, sum), caller.take(), sum);
    return {
      started,
      answered,
      functions: combine(all.take(), others, difference),
      done: combine(await this.#cloud.done(), before, difference),
    };
  }
}

function perOne<Asked extends Numbers<Asked>, Done extends Numbers<Done>>(
  many: Ran<Asked, Done>,
  few: Ran<Asked, Done>,
  by: number,
): Asked & Done {
  const each = (a: number, b: number): number => (a - b) / by;
  return {
    ...combine(many.functions, few.functions, each),
    ...combine(many.done, few.done, each),
  };
}

function sum(a: number, b: number): number {
  return a + b;
}

function difference(a: number, b: number): number {
  return a - b;
}
