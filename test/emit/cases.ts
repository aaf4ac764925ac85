import type { Plan } from "../../core/plan/plan.ts";
import type { Directive, ParkDirective } from "../../core/ports/orchestrator.ts";

/** One turn of an execution: what its advance asks for, and what ends a rest. */
export interface Turn {
  readonly asks: Directive;
  readonly ends?: "wake" | "time";
}

/** A plan, and an execution that takes it through its turns. */
export interface EmitCase {
  readonly plan: Plan;
  readonly turns: readonly Turn[];
}

const flow = { flow: "review", name: "review-0123456789ab" };
const completed: Turn = { asks: { kind: "end", ended: { status: "completed" } } };

function planOf(plan: Partial<Plan>): Plan {
  return { kind: "plan", bundle: "0123456789abcdef", flows: [flow], waits: [], tasks: [], ...plan };
}

function rest(label: string, ends: "wake" | "time"): Turn {
  const asks: ParkDirective = { kind: "park", label, seen: "absent", wakeAt: 0, epoch: 1 };
  return { asks, ends };
}

function run(...calls: readonly string[]): Turn {
  const tasks = calls.map((callId) => ({ executionId: "e", callId, attempt: 1 }));
  return { asks: { kind: "tasks", tasks, epoch: 1 } };
}

/** What flows are made of, as far as an orchestration can tell it apart. */
export const cases = {
  "no wait": { plan: planOf({}), turns: [{ asks: { kind: "advance", epoch: 1 } }, completed] },
  "one wait": {
    plan: planOf({ waits: [{ wait: "approve" }] }),
    turns: [rest("approve", "wake"), completed],
  },
  "named and repeated waits": {
    plan: planOf({ waits: [{ wait: "approve" }, { wait: "sign-off" }] }),
    turns: [rest("approve", "wake"), rest("approve", "time"), rest("sign-off", "wake"), completed],
  },
  sleep: { plan: planOf({}), turns: [rest("sleep", "time"), completed] },
  isolated: {
    plan: planOf({ tasks: [{ checkpoint: "render" }] }),
    turns: [run("render:0"), completed],
  },
  "fan-out": {
    plan: planOf({ tasks: [{ checkpoint: "render" }, { checkpoint: "embed" }] }),
    turns: [
      run("embed:0", "embed:1", "embed:2"),
      run("render:0", "embed:3"),
      run(...Array.from({ length: 24 }, (_, at) => `embed:${at + 4}`)),
      completed,
    ],
  },
  "child flow": { plan: planOf({}), turns: [rest("child", "wake"), completed] },
} as const satisfies Readonly<Record<string, EmitCase>>;

/** Name of a case. */
export type CaseName = keyof typeof cases;
