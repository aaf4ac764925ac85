import type { CloudName, StackUnderTest, StartedStack } from "../stacks/stacks.ts";
import type { Rounds } from "./rounds.ts";

/** What goes wrong, and how many executions go through it. */
type Fault = Pick<Rounds, "rounds" | "isolated" | "size" | "discarded"> & {
  readonly title: string;
};

/** Everything that every cloud is put through. */
export const faults = {
  dropped: { title: "all wakes are dropped", rounds: 8 },
  doubled: { title: "wakes come twice and out of the blue", rounds: 12, discarded: 1 },
  two: { title: "starts are carried out twice, and by two owners", rounds: 10, discarded: 1 },
  between: { title: "answers come between the suspension and the park", rounds: 12 },
  stormy: {
    title: "the store is throttled, finds conflicts that are none, and loses replies",
    rounds: 16,
    isolated: true,
    discarded: 1,
  },
  unavailable: { title: "the bucket answers 503", rounds: 10, size: 100_000 },
  killed: {
    title: "processes are killed while they work",
    rounds: 12,
    isolated: true,
    discarded: 1,
  },
  skewed: { title: "clocks differ by up to five seconds", rounds: 12, isolated: true },
} as const satisfies Readonly<Record<string, Fault>>;

/** Name of a fault. */
export type FaultName = keyof typeof faults;

/** One fault at work. */
export interface Injection {
  /** How often each of the things it consists of has happened so far; none may be left out. */
  readonly counts: () => Promise<Counts> | Counts;
  /** When an execution is answered. @default at random within a second */
  readonly answerAfter?: (executionId: string) => Promise<void>;
  /** End what goes on by itself. */
  readonly stop?: () => void;
}

/** How often something has happened. */
export type Counts = Readonly<Record<string, number>>;

/** Have a fault happen to the executions with these ids. */
export type Inject = (executionIds: readonly string[]) => Injection | Promise<Injection>;

/** A running cloud and what can go wrong with it. */
export interface FaultyCloud {
  readonly name: CloudName;
  readonly inject: Readonly<Record<FaultName, Inject>>;
  /** Invoke the sweep as its schedule would, so much later than now. */
  sweep(aheadMs: number): Promise<void>;
  /** Have nothing go wrong any more. */
  heal(): Promise<void> | void;
}

/** A cloud that can be disturbed. */
export interface CloudUnderFaults extends Pick<StackUnderTest, "missing"> {
  /** Start it; what happens by chance is drawn with `random`, uniform in [0, 1). */
  start(random: () => number): Promise<StartedStack & { readonly faulty: FaultyCloud }>;
}
