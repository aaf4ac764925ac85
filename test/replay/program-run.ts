import assert from "node:assert/strict";
import { overridable } from "../../core/primitives/replay-target.ts";
import type { AskedWait } from "../../testing/test-stack.ts";
import { type ReplayStack, replayStack } from "./kit.ts";
import { type Question, type Trace, consult } from "./oracle.ts";
import { type Program, programFlow, waitSites, work, world } from "./programs.ts";

/** A first run, and what must come of its replays. */
export class Run {
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
    const how = {
      with: [...(change.overrides ?? [])].map(([target, value]) => overridable(target).as(value)),
      ...(change.from === undefined ? {} : { from: change.from }),
      ...(change.input === undefined ? {} : { input: { input: change.input } }),
    };
    const told = await stack.client.executions.replay("source", { ...how, dryRun: true });
    const handle = programFlow.replay("source", how);
    await stack.finish(handle, { answers: this.#answers() });
    const askOf = await this.#asks(handle.id);
    const trace = consult({ program, input, epoch: 1, source, askOf, ...change });
    await this.#compare(handle.id, trace);
    for (const { id, action, dependsOnNewResults } of told.calls)
      if (!dependsOnNewResults)
        assert.equal(action === "asked again" ? "executed" : action, trace.calls.get(id)?.how, id);
    assert.deepEqual(await stack.documents("source"), before);
  }

  /** Compare what an execution and its child flows recorded and ran with what must be. */
  async #compare(id: string, trace: Trace): Promise<void> {
    const { calls, output } = await this.stack.client.executions.get(id);
    if (!id.includes("/")) assert.equal(output, trace.result);
    const how = calls.map((call) => [call.id, [call.disposition, call.status]] as const);
    assert.deepEqual(
      new Map(how),
      new Map(
        [...trace.calls.values()].map((call) => [
          call.id,
          [call.how, call.value === undefined ? "failed" : "completed"],
        ]),
      ),
    );
    const { outcomes } = await this.stack.journalState(id);
    for (const call of trace.calls.values())
      if (call.taken !== undefined)
        assert.equal(outcomes.get(call.id)?.entry.src ?? call.id, call.taken);
    const executed = [...trace.calls.values()].filter((call) => call.how === "executed");
    assert.deepEqual(
      this.stack.ran(id).toSorted(),
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
