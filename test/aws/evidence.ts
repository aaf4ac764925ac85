import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { KitaruClient } from "../../core/index.ts";
import { openStack } from "../../core/stacks.ts";
import type { Entry } from "../../core/journal/entry.ts";
import { entriesOf } from "../parity/journal.ts";
import { approve, faulty } from "./fixtures/faulty-flows.ts";

const folder = mkdtempSync(join(tmpdir(), "kitaru-evidence-"));

interface Rounds {
  /** @default "aws" */
  readonly stack?: string;
  readonly name: string;
  readonly rounds: number;
  /** Rounds under way at once. @default 8 */
  readonly atOnce?: number;
  readonly isolated?: boolean;
  /** Runs of a call that a superseded advance may have made, whose outcome nobody recorded. @default 0 */
  readonly discarded?: number;
  /** Whether a sweep runs beside them, as often as it can. @default true */
  readonly isSwept?: boolean;
  /** Called when an answer has been given. */
  readonly answered?: () => Promise<void>;
  /** When the answer is given, in milliseconds after the start. @default at random within a second */
  readonly answerAfter?: (round: number) => number | Promise<void>;
}

/**
 * Run flows while things go wrong, with the sweep beside them, and hold what each left against its result. Resolves to the
 * number of runs of a call that came to nothing, since no outcome was recorded of them.
 */
export async function runRounds(
  cloud: { sweep(): Promise<void> },
  params: Rounds,
): Promise<number> {
  const { rounds, atOnce = 8, isSwept = true } = params;
  const state = { next: 0, lost: 0, isOver: false };
  const lane = async (): Promise<void> => {
    while (state.next < rounds) {
      const lost = await oneRound(params, state.next++);
      state.lost += lost;
    }
  };
  const sweeping = async (): Promise<void> => {
    while (!state.isOver) {
      await cloud.sweep();
      await pause(1000);
    }
  };
  const lanes = Promise.all(Array.from({ length: atOnce }, lane)).finally(() => {
    state.isOver = true;
  });
  await Promise.all([lanes, ...(isSwept ? [sweeping()] : [])]);
  return state.lost;
}

async function oneRound(params: Rounds, round: number): Promise<number> {
  const {
    name,
    isolated = false,
    answerAfter = () => Math.random() * 1000,
    discarded = 0,
    stack = "aws",
  } = params;
  const id = `${name}-${round}`;
  const handle = await persist(async () => {
    const started = faulty.run({ folder, isolated }, { id });
    await started.started;
    return started;
  });
  const after = answerAfter(round);
  await (typeof after === "number" ? pause(after) : after);
  await persist(() => approve.answer(id, round));
  await params.answered?.();
  const { answer, calls } = await handle.result({ timeout: "100s" });
  expect({ id, answer }).toEqual({ id, answer: round });
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
  const runtime = await openStack(stack);
  const outcomes = (await entriesOf(runtime, id)).filter(isOutcome).map((entry) => entry.id);
  const { status, pendingWaits } = await new KitaruClient({ stack }).executions.get(id);
  expect({ id, status, pendingWaits, outcomes: outcomes.toSorted() }).toEqual({
    id,
    status: "completed",
    pendingWaits: [],
    outcomes: [...Object.keys(calls), "approve:0"].toSorted(), // one each
  });
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
