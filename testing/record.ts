import { registry } from "../core/engine/definitions.ts";
import { Runtime } from "../core/engine/runtime.ts";
import { load } from "../core/engine/session.ts";
import { signal } from "../core/engine/signal.ts";
import { startExecution } from "../core/engine/start.ts";
import type { Backend } from "../core/ports/backend.ts";
import { type VirtualClock, restOfTurn } from "./clock.ts";
import { memoryOrchestrator } from "./orchestrator.ts";

interface Recording {
  readonly backend: Backend;
  readonly clock: VirtualClock;
  readonly id: string;
  readonly flow: string;
  readonly input: unknown;
  /** Waits by name, each with the values it is answered with; the last one again and again. */
  readonly answers: Readonly<Record<string, readonly unknown[]>>;
}

/** Run a flow to its end in a process that nothing disturbs. */
export async function recordExecution(recording: Recording): Promise<void> {
  const { backend, clock, id, input } = recording;
  const flow = registry.flow(recording.flow);
  if (flow === undefined) throw new TypeError(`There is no flow ${recording.flow}`);
  const orchestrator = memoryOrchestrator({ clock });
  const { context } = new Runtime({
    stack: "simulated",
    registry,
    backend: { ...backend, clock, orchestrator },
  });
  const given = new Map<string, number>();
  const answerAll = async (executionId: string): Promise<boolean> => {
    const { state } = (await load(context, executionId)).journal;
    let hasAnswered = false;
    for (const open of state.pending()) {
      if (open.t === "scheduled" && open.child !== undefined)
        hasAnswered = (await answerAll(open.child)) || hasAnswered;
      if (open.t !== "waiting") continue;
      const values = recording.answers[open.name] ?? [];
      const count = given.get(open.name) ?? 0;
      given.set(open.name, count + 1);
      const value = values[Math.min(count, values.length - 1)];
      await signal(context, executionId, { kind: "answer", target: open.id, value });
      hasAnswered = true;
    }
    return hasAnswered;
  };
  await startExecution(context, { id, flow, input, stack: "simulated" });
  for (;;) {
    await atRest();
    if ((await load(context, id)).journal.state.ended !== undefined) break;
    if (await answerAll(id)) continue;
    await atRest();
    clock.jump(clock.next ?? clock.now());
  }
  await atRest();
  orchestrator.kill();
}

/** What was begun in memory has come to rest after so many turns. */
async function atRest(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await restOfTurn();
}
