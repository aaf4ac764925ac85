import { gated } from "./flows.ts";
import { sharedClock } from "./measure.ts";
import { parked } from "./parked.ts";
import { startProgram } from "./program.ts";
import type { Place } from "./stacks.ts";

const warmUps = 10;

/** Milliseconds from an answer in another process to the result in this one, for each of `rounds`. */
export async function acrossProcesses(place: Place, rounds: number): Promise<number[]> {
  const answerer = startProgram<number>("answer.ts", place);
  const taken: number[] = [];
  await answerer.next();
  for (let round = -warmUps; round < rounds; round += 1) {
    const handle = await parked(gated.run());
    const ended = handle.result().then(sharedClock);
    const answered = answerer.next();
    answerer.process.send(handle.id);
    const answeredAt = await answered;
    if (round >= 0) taken.push((await ended) - answeredAt);
  }
  await answerer.kill();
  return taken;
}
