import { approve } from "../flows.ts";
import { sharedClock } from "../measure.ts";
import { programArguments, report } from "../program.ts";
import { useStacks } from "../stacks.ts";

// Answers each execution it is sent the id of, and says when it began to.
useStacks(programArguments().place);
process.on("message", (id) => void answer(String(id)));
report(sharedClock());

async function answer(id: string): Promise<void> {
  const from = sharedClock();
  await approve.answer(id);
  report(from);
}
