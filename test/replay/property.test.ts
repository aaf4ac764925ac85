import fc from "fast-check";
import { expect, test } from "vitest";
import type { AskedWait } from "../../testing/test-stack.ts";
import { overridable } from "../../core/primitives/replay-target.ts";
import { type ReplayStack, replayStack } from "./kit.ts";
import { type Question, type Trace, consult } from "./oracle.ts";
import {
  type Program,
  modulus,
  programFlow,
  programs,
  waitSites,
  work,
  world,
} from "./programs.ts";

/** Generated flows; `PROGRAMS=2000` for more. */
const numRuns = Number(process.env["PROGRAMS"] ?? 60);
const timeout = 20_000 + numRuns * 500;

test("for every call overridden in turn, exactly what depends on it is executed", { timeout }, () =>
  fc.assert(
    fc.asyncProperty(programs, fc.nat(4), async (program, input) => {
      const first = await Run.of(program, input);
      await first.check({});
      for (const { id, value } of first.trace.calls.values()) {
        if (id.startsWith("sleep")) continue;
        await first.check({ overrides: new Map([[id, ((value ?? 0) + 1) % modulus]]) });
      }
      await first.stack.close();
    }),
    { numRuns },
  ),
);

test("from a call on everything is executed, also with something overridden", { timeout }, () =>
  fc.assert(
    fc.asyncProperty(programs, fc.nat(4), fc.nat(), fc.nat(), async (program, input, one, two) => {
      const first = await Run.of(program, input);
      const ids = [...first.trace.calls.keys()];
      const from = ids[one % ids.length] ?? "";
      await first.check({ from });
      const other = ids[two % ids.length] ?? "";
      if (!other.startsWith("sleep")) await first.check({ from, overrides: new Map([[other, 3]]) });
      await first.stack.close();
    }),
    { numRuns },
  ),
);

test("with another input, exactly what depends on that is executed", { timeout }, () =>
  fc.assert(
    fc.asyncProperty(programs, fc.nat(4), fc.nat(4), async (program, input, other) => {
      const first = await Run.of(program, input);
      await first.check({ input: other });
      await first.stack.close();
    }),
    { numRuns },
  ),
);

/** A first run, and what must come of its replays. */
class Run {
  readonly stack: ReplayStack;
  readonly program: Program;
  readonly input: number;
  trace: Trace = { calls: new Map(), result: 0 };

  constructor(stack: ReplayStack, program: Program, input: number) {
    this.stack = stack;
    this.program = program;
    this.input = input;
  }

  static async of(program: Program, input: number): Promise<Run> {
    world.epoch = 0;
    const run = new Run(await replayStack(), program, input);
    const answers = run.#answers();
    await run.stack.run(programFlow, { program, input }, { id: "source", answers });
    run.trace = consult({ program, input, epoch: 0, askOf: await run.#asks("source") });
    await run.#compare("source", run.trace);
    return run;
  }

  async check(change: Partial<Pick<Question, "overrides" | "from" | "input">>): Promise<void> {
    const { stack, program, input, trace: source } = this;
    const before = await stack.documents("source");
    world.epoch = 1;
    const handle = programFlow.replay("source", {
      with: [...(change.overrides ?? [])].map(([target, value]) => overridable(target).as(value)),
      ...(change.from === undefined ? {} : { from: change.from }),
      ...(change.input === undefined ? {} : { input: { input: change.input } }),
    });
    await stack.finish(handle, { answers: this.#answers() });
    const askOf = await this.#asks(handle.id);
    await this.#compare(handle.id, consult({ program, input, epoch: 1, source, askOf, ...change }));
    expect(await stack.documents("source")).toEqual(before);
  }

  /** Compare what an execution and its child flows recorded and ran with what must be. */
  async #compare(id: string, trace: Trace): Promise<void> {
    const { calls, output } = await this.stack.client.executions.get(id);
    if (!id.includes("/")) expect(output).toBe(trace.result);
    const how = calls.map((call) => [call.id, call.disposition, call.status]);
    expect(how.toSorted()).toEqual(
      [...trace.calls.values()]
        .map((call) => [call.id, call.how, call.value === undefined ? "failed" : "completed"])
        .toSorted(),
    );
    const { outcomes } = await this.stack.journalState(id);
    for (const call of trace.calls.values())
      if (call.taken !== undefined)
        expect(outcomes.get(call.id)?.entry.src ?? call.id, call.id).toBe(call.taken);
    const executed = [...trace.calls.values()].filter((call) => call.how === "executed");
    expect(this.stack.ran(id).toSorted()).toEqual(
      executed
        .filter((call) => call.kind === "checkpoint")
        .map((call) => call.id)
        .toSorted(),
    );
    for (const { id: call, child } of executed)
      if (child !== undefined) await this.#compare(`${id}/${call}`, child);
  }

  /** Where each call was asked, child flows included. */
  async #asks(id: string): Promise<(path: string) => number> {
    const asks = new Map<string, number>();
    const collect = async (executionId: string, path: string): Promise<void> => {
      const { known, opens } = await this.stack.journalState(executionId);
      for (const call of known.values()) asks.set(`${path}/${call.id}`, call.ask);
      for (const open of opens.values())
        if (open.t === "scheduled" && open.child !== undefined)
          await collect(open.child, `${path}/${open.id}`);
    };
    await collect(id, "");
    return (path) => asks.get(path) ?? Infinity;
  }

  #answers(): Record<string, (asked: AskedWait) => Promise<number>> {
    const answer = (site: number) => async (asked: AskedWait) => {
      const waits = await this.stack.client.executions.pendingWaits(asked.executionId);
      const metadata = waits.find((one) => one.id === asked.callId)?.metadata;
      return work(site, Number(metadata), world.epoch);
    };
    return Object.fromEntries([...waitSites].map(([name, site]) => [name, answer(site)]));
  }
}
