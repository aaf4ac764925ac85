import { expect, test } from "vitest";
import { checkpoint, flow, sleep, wait } from "../../core/index.ts";
import { recordLlm } from "../../core/primitives/scope.ts";
import { type Process, World, unique } from "./kit.ts";

/** One call of a flow whose code is a list of them. */
interface Op {
  readonly kind: "step" | "isolated" | "ask" | "nap" | "child" | "think";
  /** Which of two definitions of the kind. */
  readonly other?: true;
  readonly input: number;
}

interface Program {
  readonly name: string;
  code: readonly Op[];
  /** Everything that ran and was not only read back. */
  readonly runs: string[];
  readonly nameOf: (op: Op) => string;
}

const before: readonly Op[] = [
  { kind: "step", input: 1 },
  { kind: "think", input: 2 },
  { kind: "nap", input: 3 },
  { kind: "child", input: 4 },
];
const between: readonly Op[] = [
  { kind: "ask", input: 5 },
  { kind: "step", input: 6 },
  { kind: "isolated", input: 7 },
  { kind: "step", input: 8 },
];
const open: Op = { kind: "ask", input: 9 };
const after: readonly Op[] = [
  { kind: "step", input: 10 },
  { kind: "think", input: 11 },
];
const original: readonly Op[] = [...before, ...between, open, ...after];
/** Place of the first call that nothing is recorded of. */
const firstNew = original.indexOf(open) + 1;

function program(): Program {
  const names: Record<string, string> = {};
  const runs: string[] = [];
  const ran = (name: string, input: unknown): string => {
    runs.push(`${name} ${String(input)}`);
    return `${name} done`;
  };
  const calls: Record<string, (input: number) => Promise<unknown>> = {};
  for (const other of ["", "other"]) {
    const make = <T>(kind: string, define: (name: string) => T): T => {
      const name = unique(kind);
      names[kind + other] = name;
      return define(name);
    };
    const step = make("step", (name) => checkpoint(name, (input: number) => ran(name, input)));
    const isolated = make("isolated", (name) =>
      checkpoint(name, { runtime: "isolated" }, (input: number) => ran(name, input)),
    );
    const ask = make("ask", (name) => wait(name));
    const child = make("child", (name) => flow(name, async (input: number) => step(input)));
    const think = make(
      "think",
      (name) => async (input: number) =>
        recordLlm({
          name,
          identity: { prompt: input },
          run: async () => ({ value: ran(name, input), record }),
        }),
    );
    calls[`step${other}`] = step;
    calls[`isolated${other}`] = isolated;
    calls[`ask${other}`] = (input) => ask({ metadata: { input } });
    calls[`child${other}`] = (input) => child.call(input);
    calls[`think${other}`] = think;
    calls[`nap${other}`] = (input) => sleep(input);
    names[`nap${other}`] = "sleep";
  }
  const keyOf = ({ kind, other }: Op): string => kind + (other === undefined ? "" : "other");
  const made: Program = {
    name: unique("flow"),
    code: original,
    runs,
    nameOf: (op) => names[keyOf(op)] ?? "",
  };
  flow(made.name, async () => {
    for (const op of made.code) await calls[keyOf(op)]?.(op.input);
  });
  return made;
}

const record = { resolvedModel: "test/test", credentialSource: "none" as const, latencyMs: 1 };

/** Drive an execution, and the children it waits for, until it ends or rests on a wait. */
async function drive(process: Process, id: string): Promise<string> {
  for (;;) {
    const status = await process.drive(id);
    const children = (await process.entriesOf(id, "scheduled")).flatMap(({ child }) => child ?? []);
    const queued = [];
    for (const child of children)
      if ((await process.status(child)) === "queued") queued.push(child);
    if (queued.length === 0) return status;
    for (const child of queued) await process.drive(child);
  }
}

/** Take the original to its second wait. */
async function begun(made: Program): Promise<{ process: Process; id: string }> {
  const process = new World({ capabilities: { isolated: true } }).process();
  const id = await process.start(made.name);
  expect(await drive(process, id)).toBe("waiting");
  await process.answer(id, `${made.nameOf(open)}:0`);
  expect(await drive(process, id)).toBe("waiting");
  expect(await process.entriesOf(id, "waiting")).toHaveLength(2);
  return { process, id };
}

const inserted: Op = { kind: "step", other: true, input: 0 };

/** Ways in which code changes at a place. */
const changes: Record<string, (code: readonly Op[], at: number) => readonly Op[]> = {
  renamed: (code, at) => code.map((op, place) => (place === at ? { ...op, other: true } : op)),
  "made of another kind": (code, at) =>
    code.map((op, place) => (place === at ? { kind: "step", other: true, input: op.input } : op)),
  "given another input": (code, at) =>
    code.map((op, place) => (place === at ? { ...op, input: 99 } : op)),
  "put after the next": (code, at) => {
    const [one, two] = [code[at], code[at + 1]];
    if (one === undefined || two === undefined) return code;
    return code.toSpliced(at, 2, two, one);
  },
  "put behind a new one": (code, at) => code.toSpliced(at, 0, inserted),
  removed: (code, at) => code.toSpliced(at, 1),
  "removed with all that follow": (code, at) => code.slice(0, at),
};

interface Case {
  readonly change: string;
  readonly at: number;
}

const isSame = (a: readonly Op[], b: readonly Op[]): boolean =>
  JSON.stringify(a) === JSON.stringify(b);
/** A nap has one name only. */
const cases: readonly Case[] = Object.keys(changes).flatMap((change) =>
  original
    .map((op, at) => ({ change, at, op }))
    .filter(({ at, op }) => at < firstNew && !(change === "renamed" && op.kind === "nap")),
);

test.each(cases)("call $at $change: found before anything new runs", async ({ change, at }) => {
  const made = program();
  const { process, id } = await begun(made);
  const changed = changes[change]?.(original, at) ?? [];
  expect(isSame(changed, original)).toBe(false);
  const { length } = made.runs;
  const journal = await process.entries(id);
  made.code = changed;
  expect(await drive(process, id)).toBe("failed");

  expect(made.runs).toHaveLength(length);
  const added = (await process.entries(id)).slice(journal.length);
  expect(added.map(({ t }) => t)).toEqual(["advance", "ended"]);
  const error = await process.failure(id);
  expect(error).toMatchObject({ code: "divergence", name: "KitaruDivergenceError" });
  expect(error?.message).toContain(culpritOf(made, changed));
  expect(error?.message).toMatch(/Nothing new has run\..*restore the code.*retry.*replay/s);

  made.code = original;
  await process.signal(id, { kind: "retry" });
  expect(await drive(process, id)).toBe("waiting");
  expect(made.runs).toHaveLength(length);
  await process.answer(id, made.nameOf(open));
  expect(await drive(process, id)).toBe("completed");
  expect(made.runs).toHaveLength(length + after.length);
});

test.each(cases)("call $at $change: found although an answer is there", async ({ change, at }) => {
  const made = program();
  const { process, id } = await begun(made);
  await process.answer(id, made.nameOf(open));
  const { length } = made.runs;
  made.code = changes[change]?.(original, at) ?? [];
  expect(await drive(process, id)).toBe("failed");
  expect(made.runs).toHaveLength(length);
  expect((await process.failure(id))?.code).toBe("divergence");
  made.code = original;
  await process.signal(id, { kind: "retry" });
  expect(await drive(process, id)).toBe("completed");
  expect(made.runs).toHaveLength(length + after.length);
});

test.each(Object.keys(changes))("a call nothing is recorded of may be %s", async (change) => {
  const made = program();
  const { process, id } = await begun(made);
  const changed = changes[change]?.(original, firstNew) ?? [];
  made.code = changed;
  expect(await drive(process, id)).toBe("waiting");
  await process.answer(id, made.nameOf(open));
  const { length } = made.runs;
  expect(await drive(process, id)).toBe("completed");
  expect(made.runs).toHaveLength(length + changed.length - firstNew);
});

/** Id of the first call of the changed code that does not fit, or of the first recorded one that is not asked for. */
function culpritOf(made: Program, changed: readonly Op[]): string {
  const recorded = idsOf(made, original.slice(0, firstNew));
  const asked = idsOf(made, changed);
  for (const [place, id] of asked.entries()) {
    const was = recorded.indexOf(id);
    const isKnown = was !== -1;
    const isSameInput = isKnown && original[was]?.input === changed[place]?.input;
    if (isKnown && (was !== place || !isSameInput)) return id;
    if (!isKnown) break; // everything recorded from here on is not asked for
  }
  return recorded.find((id) => !asked.includes(id)) ?? recorded[asked.length] ?? "";
}

function idsOf(made: Program, code: readonly Op[]): string[] {
  const counts = new Map<string, number>();
  return code.map((op) => {
    const name = made.nameOf(op);
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    return `${name}:${count}`;
  });
}
