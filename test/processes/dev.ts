import { silentIo } from "../../cli/fixtures/silent.ts";
import { runProgram } from "../../cli/program.ts";

/** `kitaru dev` in `cwd`, as the command line runs it, without a word. */
export async function dev(cwd: string): Promise<void> {
  await runProgram(["dev"], silentIo({ cwd, now: () => Date.now() }));
}
