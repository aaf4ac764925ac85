import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { KitaruClient } from "../../core/index.ts";
import { openStack } from "../../core/stacks.ts";
import type { Entry } from "../../core/journal/entry.ts";
import { entriesOf } from "../parity/journal.ts";
import { approve, faulty } from "./fixtures/flows.ts";
import { type Reference, outcomesIn } from "./reference.ts";

const folder = mkdtempSync(join(tmpdir(), "kitaru-faults-"));

/** What executions are run. */
export interface Rounds {
  readonly stack: string;
  readonly name: string;
  readonly rounds: number;
  /** Rounds under way at once. @default 16 */
  readonly atOnce?: number;
  readonly isolated?: boolean;
  /** Size of a value each keeps. @default none is kept */
  readonly size?: number;
  /** Runs of a call that a superseded advance may have made, whose outcome nobody recorded. @default 0 */
  readonly discarded?: number;
  /** Sweeps beside them, so much later than now; what fails is tried again by the next. */
  readonly sweep: (aheadMs: number) => Promise<void>;
  /** When an execution is answered. @default at random within a second */
  readonly answerAfter?: ((executionId: string) => Promise<void>) | undefined;
  /** What each is to leave. @default whatever goes with its result */
  readonly reference?: Reference;
}

/** Ids of the executions of {@link runRounds}. */
export function roundIds({ stack, name, rounds }: Pick<Rounds, IdParts>): string[] {
  return Array.from({ length: rounds }, (_, round) => `${stack}-${name}-${round}`);
}

type IdParts = "stack" | "name" | "rounds";

/**
 * Run flows while things go wrong, with the sweep beside them, and hold what each left against its result. Resolves to the
 * number of runs of a call that came to nothing, since no outcome was recorded of them.
 */
export async function runRounds(params: Rounds): Promise<number> {
  const { rounds, atOnce = 16, sweep } = params;
  const state: State = { next: 0, lost: 0, isOver: false, movedAt: Date.now() };
  const lane = async (): Promise<void> => {
    while (state.next < rounds) {
      const lost = await oneRound(params, state, state.next++);
      state.lost += lost;
    }
  };
  const sweeping = async (): Promise<void> => {
    for (let aheadMs = 0, at = Date.now(); !state.isOver; await pause(1000)) {
      await sweep(aheadMs).catch(() => undefined);
      // nothing moves any more: let the time pass that the next sweep comes later
      if (Date.now() - state.movedAt > 3000) aheadMs += (Date.now() - at) * 20;
      at = Date.now();
    }
  };
  const lanes = Promise.all(Array.from({ length: atOnce }, lane)).finally(() => {
    state.isOver = true;
  });
  await Promise.all([lanes, sweeping()]);
  return state.lost;
}

/** What becomes of them. */
interface State {
  next: number;
  lost: number;
  isOver: boolean;
  /** When something has come further last. */
  movedAt: number;
}

async function oneRound(params: Rounds, state: State, round: number): Promise<number> {
  const { stack, isolated = false, size = 0, discarded = 0 } = params;
  const { answerAfter = () => pause(Math.random() * 1000) } = params;
  const moved = (): void => void (state.movedAt = Date.now());
  const id = roundIds(params)[round] ?? "";
  const input = { folder, isolated, size };
  const handle = await persist(async () => {
    const started = faulty.run(input, { id, stack });
    await started.started;
    return started;
  });
  moved();
  await answerAfter(id);
  await persist(() => approve.answer(id, round, { stack }));
  moved();
  const { answer, calls, kept } = await handle.result({ timeout: "180s" });
  moved();
  expect({ id, answer, kept }).toEqual({ id, answer: round, kept: size });
  const left = readFileSync(join(folder, id), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" "));
  for (const [call, token] of Object.entries(calls)) {
    const tokens = left.filter(([ran]) => ran === call).map(([, made]) => made);
    const place = tokens.indexOf(token);
    if (place === -1 || tokens.length - 1 - place > discarded)
      throw new Error(`${id}: ${call} ran again after its outcome was recorded: ${tokens.join()}`);
  }
  const outcomes = (await persist(async () => entriesOf(await openStack(stack), id)))
    .filter(isOutcome)
    .map((entry) => entry.id);
  const { status, pendingWaits } = await persist(() =>
    new KitaruClient({ stack }).executions.get(id),
  );
  expect({ id, status, pendingWaits, outcomes: outcomes.toSorted() }).toEqual({
    id,
    status: "completed",
    pendingWaits: [],
    outcomes: [...Object.keys(calls), "approve:0"].toSorted(), // one each
  });
  if (params.reference !== undefined)
    expect(await persist(() => outcomesIn(stack, id))).toEqual(
      await params.reference.of(input, round),
    );
  return left.length - Object.keys(calls).length;
}

function isOutcome(entry: Entry): entry is Extract<Entry, { t: "completed" | "failed" }> {
  return entry.t === "completed" || entry.t === "failed";
}

/** What fails in the caller's own process is tried again by the caller. */
async function persist<T>(action: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++)
    try {
      return await action();
    } catch (error) {
      if (tries === 5) throw error;
      await pause(200);
    }
}

/** Resolve after so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
