import { expect, test } from "vitest";
import { World, unique } from "../../test/hazards/kit.ts";
import type { AttemptEntry, LlmEntry } from "../journal/entry.ts";
import { JournalState } from "../journal/state.ts";
import type { LlmCall } from "../ports/model.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { recordLlm } from "../primitives/scope.ts";
import { reusableLlms } from "./llm-reuse.ts";

const call = { id: "a:0", kind: "checkpoint", name: "a", ask: 0, h: "h" } as const;
const record = { resolvedModel: "p/m", credentialSource: "none", latencyMs: 1 } as const;

function said(no: number, i: number): LlmEntry {
  return {
    t: "llm",
    id: "a:0",
    no,
    i,
    name: "llm",
    h: `q${i}`,
    out: { v: i },
    llm: record,
    s: 1,
    at: 1,
  };
}

function attempt(no: number, code?: string): AttemptEntry {
  const err = { name: "Error", message: "x", ...(code === undefined ? {} : { code }) };
  return { t: "attempt", ...call, no, s: 1, err, retryAt: 2, at: 1 };
}

function reusable(...entries: readonly (LlmEntry | AttemptEntry)[]): number[] {
  const state = new JournalState();
  for (const entry of entries) state.add(entry);
  return reusableLlms(state, "a:0").map((entry) => entry.i);
}

test("nothing recorded, nothing to reuse", () => {
  expect(reusable()).toEqual([]);
});

test("after a crash, a timeout or a cancel all of them count", () => {
  expect(reusable(said(1, 0), said(1, 1))).toEqual([0, 1]);
  for (const code of ["timeout", "crashed", "cancelled"])
    expect(reusable(said(1, 0), said(1, 1), attempt(1, code))).toEqual([0, 1]);
});

test("after a throw all but the last of that attempt", () => {
  expect(reusable(said(1, 0), said(1, 1), attempt(1))).toEqual([0]);
  expect(reusable(said(1, 0), said(1, 1), attempt(1), said(2, 2), attempt(2, "model"))).toEqual([
    0,
  ]);
  expect(reusable(said(1, 0), attempt(1), attempt(2))).toEqual([]);
});

/** Answers `prompt` with a count of how often it was asked. */
function model(asked: string[]): (prompt: string) => Promise<unknown> {
  return (prompt) => {
    const request: LlmCall = {
      name: "llm",
      identity: prompt,
      run: async () => {
        asked.push(prompt);
        return { value: `${prompt} ${asked.length}`, record };
      },
    };
    return recordLlm(request);
  };
}

test.each(["inline", "isolated"] as const)(
  "%s: a retried checkpoint pays for the last answer alone, and answers are numbered in order",
  async (runtime) => {
    const [name, step] = [unique("flow"), unique("step")];
    const asked: string[] = [];
    const ask = model(asked);
    let tries = 0;
    const work = checkpoint(
      step,
      { runtime, retries: { attempts: 1, initialDelay: 1, jitter: false } },
      async () => {
        const all = [await ask("one"), await ask("two"), await ask("three")];
        if (++tries === 1) throw new Error("the last one was no good");
        return all;
      },
    );
    flow(name, async () => work());
    const process = new World({ capabilities: { isolated: true } }).process();
    const id = await process.start(name);
    expect(await process.drive(id)).toBe("completed");
    expect(asked).toEqual(["one", "two", "three", "three"]);
    expect(await process.output(id)).toEqual(["one 1", "two 2", "three 4"]);
    expect((await process.entriesOf(id, "llm")).map(({ no, i }) => [no, i])).toEqual([
      [1, 0],
      [1, 1],
      [1, 2],
      [2, 3],
    ]);
  },
);

test.each(["inline", "isolated"] as const)(
  "%s: after the process died no answer is paid for twice",
  async (runtime) => {
    const [name, step] = [unique("flow"), unique("step")];
    const asked: string[] = [];
    const ask = model(asked);
    let isDying = true;
    const work = checkpoint(
      step,
      { runtime, retries: { attempts: 1, initialDelay: 1 } },
      async () => {
        const all = [await ask("one"), await ask("two")];
        if (isDying) await new Promise(() => undefined);
        return all;
      },
    );
    flow(name, async () => work());
    const world = new World({ capabilities: { isolated: true } });
    const process = world.process();
    const id = await process.start(name);
    const { runTask, recordCrash } = await import("./task.ts");
    const first = await process.advance(id, "o1", { deadline: world.clock.now() + 10_000 });
    for (const task of first.kind === "tasks" ? first.tasks : []) {
      void runTask(process.context, task);
      await expect.poll(() => asked.length).toBe(2);
      await recordCrash(process.context, task, "it was killed");
    }
    isDying = false;
    expect(await process.drive(id)).toBe("completed");
    expect(asked).toEqual(["one", "two"]);
    expect(await process.output(id)).toEqual(["one 1", "two 2"]);
  },
);
