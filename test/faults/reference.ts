import { KitaruClient } from "../../core/index.ts";
import { openStack } from "../../core/stacks.ts";
import { journalOf } from "../parity/journal.ts";
import { approve } from "./fixtures/flows.ts";
import type { FaultyInput } from "./fixtures/flows.ts";

/** What executions leave on the local stack, where nothing goes wrong; each kind is run once. */
export class Reference {
  readonly #runs = new Map<string, Promise<string[]>>();

  of(input: FaultyInput, answer: number): Promise<string[]> {
    const key = `local-${input.isolated ? "isolated" : "inline"}-${input.size ?? 0}-${answer}`;
    const run = this.#runs.get(key) ?? undisturbed(key, input, answer);
    this.#runs.set(key, run);
    return run;
  }
}

/**
 * The outcomes in an execution's journal, and its end: all of it but for what tells of the way there, such as failed attempts, and
 * whether a wait was asked before it was answered. What a call has made up is a token for one as for another.
 */
export async function outcomesIn(stack: string, executionId: string): Promise<string[]> {
  const lines = await journalOf(await openStack(stack), executionId);
  const entries = lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  const kept = entries.filter(({ t }) => t === "completed" || t === "failed" || t === "ended");
  return kept.map((entry) => JSON.stringify(plain(entry)).replaceAll(uuid, "token")).toSorted();
}

function plain({ tries: _tries, ...entry }: Readonly<Record<string, unknown>>): object {
  if (entry["kind"] !== "wait") return entry;
  const { ask: _ask, h: _hash, ...answer } = entry;
  return answer;
}

const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

async function undisturbed(id: string, input: FaultyInput, answer: number): Promise<string[]> {
  const client = new KitaruClient({ stack: "local" });
  const handle = client.deployments.invoke("faulty", input, { id });
  await handle.started;
  await approve.answer(id, answer, { stack: "local" });
  await handle.result({ timeout: "60s" });
  return outcomesIn("local", id);
}
