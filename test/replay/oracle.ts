import {
  type Node,
  type Program,
  childProgram,
  fails,
  modulus,
  nameOf,
  read,
  work,
} from "./programs.ts";

/** How a call came by its outcome, and that. */
export interface Traced {
  readonly id: string;
  readonly name: string;
  readonly kind: "checkpoint" | "wait" | "flow" | "sleep";
  readonly input: number;
  /** `undefined`: it failed. */
  readonly value: number | undefined;
  readonly how: "executed" | "reused" | "overridden";
  /** Call of the source whose outcome it took over. */
  readonly taken?: string;
  /** Of a child flow that ran, or whose outcome was taken over. */
  readonly child?: Trace;
}

/** What happens in one execution. */
export interface Trace {
  readonly calls: ReadonlyMap<string, Traced>;
  readonly result: number;
}

/** What is known of a replay, and what is asked of the oracle. */
export interface Question {
  readonly program: Program;
  readonly input: number;
  readonly epoch: number;
  /** Absent for a first run. */
  readonly source?: Trace | undefined;
  /** Values by call id or name. */
  readonly overrides?: ReadonlyMap<string, number>;
  readonly from?: string;
  /** No answer may be taken over. */
  readonly asks?: boolean;
  /** Place of a call among all that were asked, by path of call ids. */
  readonly askOf: (path: string) => number;
  readonly path?: string;
}

/**
 * Tell what must happen: a call is overridden, or follows `from`, or is taken over when its input is one the source
 * has an outcome for, or is executed. A wait is taken over only when all that was asked before it was.
 * What is asked before what is observed, so this is repeated until nothing changes any more.
 */
export function consult(question: Question): Trace {
  let before: Trace = { calls: new Map(), result: 0 };
  for (let tries = 0; tries < 100; tries++) {
    const trace = new Evaluation(question, before).trace();
    if (describe(trace) === describe(before)) return trace;
    before = trace;
  }
  throw new Error("the oracle does not come to a conclusion");
}

function describe(trace: Trace): string {
  const calls = [...trace.calls].map(([id, call]) => [
    id,
    call.how,
    call.input,
    call.value,
    call.child === undefined ? "" : describe(call.child),
  ]);
  return JSON.stringify([trace.result, calls]);
}

class Evaluation {
  readonly #question: Question;
  readonly #before: Trace;
  readonly #calls = new Map<string, Traced>();
  readonly #counts = new Map<string, number>();
  readonly #used = new Set<string>();

  constructor(question: Question, before: Trace) {
    this.#question = question;
    this.#before = before;
  }

  trace(): Trace {
    const { program, input } = this.#question;
    return { result: this.#run(program, [input]), calls: this.#calls };
  }

  #run(nodes: Program, before: readonly number[]): number {
    const values = [...before];
    for (const node of nodes) values.push(this.#node(node, values));
    return read(
      values,
      values.map((_, index) => index),
    );
  }

  #node(node: Node, values: readonly number[]): number {
    switch (node.t) {
      case "step": {
        const value = this.#call(node, read(values, node.reads));
        return value ?? modulus + node.site;
      }
      case "wait":
      case "child":
        return this.#call(node, read(values, node.reads)) ?? 0;
      case "map": {
        const first = read(values, node.reads);
        let sum = 0;
        for (let n = 0; n < node.length; n++) sum += this.#call(node, (first + n) % modulus) ?? 0;
        return sum;
      }
      case "sleep":
        this.#settle("sleep", "sleep", 1000, () => ({ value: 0 }));
        return 0;
      case "loop": {
        let last = read(values, node.reads);
        for (let left = 1 + (last % 3); left > 0; left--)
          last = this.#run(node.body, [...values, last]);
        return last;
      }
      case "branch":
        return this.#run(read(values, node.reads) % 2 === 0 ? node.even : node.odd, values);
      case "parallel":
        return node.branches.reduce((sum, branch) => sum + this.#run(branch, values), 0);
    }
  }

  #call(node: Extract<Node, { site: number }>, input: number): number | undefined {
    const { epoch, path } = this.#question;
    const name = path === undefined ? nameOf(node) : insideName(path, node);
    if (node.t === "child") return this.#child(name, input);
    const kind = node.t === "wait" ? "wait" : "checkpoint";
    const isFailing = node.t === "step" && node.fails && fails(input);
    return this.#settle(name, kind, input, () => ({
      value: isFailing ? undefined : work(node.site, input, epoch),
    }));
  }

  #child(name: string, input: number): number | undefined {
    const { epoch, askOf, source, path = "" } = this.#question;
    return this.#settle(name, "flow", input, (id, isFrom) => {
      const base = isFrom ? undefined : source?.calls.get(id)?.child;
      const child = consult({
        program: childProgram,
        input,
        epoch,
        askOf,
        source: base,
        asks: true,
        path: `${path}/${id}`,
      });
      return { value: child.result, child };
    });
  }

  #settle(
    name: string,
    kind: Traced["kind"],
    input: number,
    execute: (
      id: string,
      isFrom: boolean,
    ) => { readonly value: number | undefined; readonly child?: Trace },
  ): number | undefined {
    const count = this.#counts.get(name) ?? 0;
    this.#counts.set(name, count + 1);
    const id = `${name}:${count}`;
    const { overrides } = this.#question;
    const given = overrides?.get(id) ?? overrides?.get(name);
    const isFrom = this.#follows(id);
    const taken = given === undefined && !isFrom ? this.#match(id, name, kind, input) : undefined;
    if (taken !== undefined) this.#used.add(taken.id);
    const call = { id, name, kind, input } as const;
    if (given !== undefined) this.#calls.set(id, { ...call, how: "overridden", value: given });
    else if (taken !== undefined)
      this.#calls.set(id, {
        ...call,
        how: "reused",
        taken: taken.id,
        value: taken.value,
        ...(taken.child === undefined ? {} : { child: taken.child }),
      });
    else this.#calls.set(id, { ...call, how: "executed", ...execute(id, isFrom) });
    return this.#calls.get(id)?.value;
  }

  #follows(id: string): boolean {
    const { from } = this.#question;
    return from !== undefined && this.#ask(id) >= this.#ask(from);
  }

  #ask(id: string): number {
    const { askOf, path = "" } = this.#question;
    return askOf(`${path}/${id}`);
  }

  #match(id: string, name: string, kind: Traced["kind"], input: number): Traced | undefined {
    const recorded = [...(this.#question.source?.calls.values() ?? [])].filter(
      (call) => call.name === name && call.input === input && !this.#used.has(call.id),
    );
    if (kind === "wait" && this.#hasNewsBefore(id)) return undefined;
    return recorded.find((call) => call.id === id) ?? recorded[0];
  }

  #hasNewsBefore(id: string): boolean {
    if (this.#question.asks === true) return true;
    const ask = this.#ask(id);
    return [...this.#before.calls.values()].some(
      (call) => call.how !== "reused" && this.#ask(call.id) < ask,
    );
  }
}

/** Parts of a child flow are named after it. */
function insideName(path: string, node: Extract<Node, { site: number }>): string {
  const child = path.slice(path.lastIndexOf("/") + 1).split(":")[0] ?? "";
  return node.t === "wait" ? `${child}_wait` : `${child}_${node.site}`;
}
