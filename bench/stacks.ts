import { join } from "node:path";
import { configure } from "kitaru";
import { local } from "kitaru/local";
import { Recorder, type Recording } from "./recording.ts";
import type { Durability } from "./row.ts";
import { SqliteSpy } from "./sqlite-spy.ts";

/** Stack of the runs that are measured. */
export const measuredStack = "measured";
/** Stack of the runs that are recorded. */
export const recordedStack = "recorded";

/** Where and how a process keeps its executions. */
export interface Place {
  readonly folder: string;
  readonly durability: Durability;
}

/** What is said to a recording while it is made. */
export interface Take {
  /** Number of writes asked for so far, accepted or not. */
  readonly tries: () => number;
  /** What follows is a repetition of its own. */
  readonly mark: () => void;
}

/** Use the stacks of this folder; the result records what is written on {@link recordedStack}. */
export function useStacks({ folder, durability }: Place): {
  readonly record: (run: (take: Take) => Promise<unknown>) => Promise<Recording>;
} {
  const recorder = new Recorder();
  const recorded = local({ folder: recordedStack, durability });
  configure({
    root: folder,
    config: {
      stack: measuredStack,
      stacks: {
        [measuredStack]: local({ folder: measuredStack, durability }),
        [recordedStack]: {
          kind: "local",
          open: async (context) => recorder.wrap(await recorded.open(context)),
        },
      },
    },
  });
  return { record: (run) => record(recorder, run) };
}

/** Folder of a measured stack that lies in `folder`. */
export function measuredFolder(folder: string): string {
  return join(folder, measuredStack);
}

async function record(
  recorder: Recorder,
  run: (take: Take) => Promise<unknown>,
): Promise<Recording> {
  const spy = new SqliteSpy();
  const marks: number[] = [];
  const stop = spy.watch();
  try {
    await run({
      tries: () => recorder.tries,
      mark: () => {
        marks.push(spy.transactions.length);
      },
    });
  } finally {
    stop();
  }
  const { pragmas, transactions } = spy;
  const { writes, blobs } = recorder;
  const committed = transactions.reduce((sum, size) => sum + size, 0);
  if (committed !== writes.length)
    throw new Error(`${committed} rows were committed, but ${writes.length} were put.`);
  return { schema: spy.schema(), pragmas, writes, transactions, marks, blobs };
}
