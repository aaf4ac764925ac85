import { approve, hooks } from "../flows.ts";
import { sharedClock } from "../measure.ts";
import { programArguments, report } from "../program.ts";
import { useStacks } from "../stacks.ts";

/** Both by the shared clock. */
export interface Resumed {
  readonly calledAt: number;
  readonly reachedAt: number;
}

// Answers a suspended flow, which resumes it here, and says when its next checkpoint ran.
const { place, args } = programArguments();
useStacks(place);
const calledAt = sharedClock();
hooks.reached = () => report({ calledAt, reachedAt: sharedClock() } satisfies Resumed);
await approve.answer(args[0] ?? "");
