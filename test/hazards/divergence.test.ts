import { expect, test } from "vitest";
import { checkpoint, flow, llm, sleep, wait } from "../../core/index.ts";
import { digest } from "../../core/hash.ts";
import { type Process, World, unique } from "./kit.ts";

interface Subject {
  readonly name: string;
  readonly names: Record<"a" | "b" | "c" | "ask", string>;
  readonly runs: string[];
  /** Which version of the flow's code runs. */
  code: string;
}

type Step = (input?: unknown) => Promise<unknown>;

/** A flow of two steps, a wait and a third step, in as many versions as `versions` has. */
function subject(
  versions: Record<
    string,
    (s: { a: Step; b: Step; c: Step; ask: () => Promise<void> }) => Promise<unknown>
  >,
): Subject {
  const names = { a: unique("a"), b: unique("b"), c: unique("c"), ask: unique("ask") };
  const made: Subject = { name: unique("flow"), names, runs: [], code: "original" };
  const step = (name: string): Step =>
    checkpoint(name, (input: unknown) => made.runs.push(`${name} ${JSON.stringify(input)}`));
  const steps = {
    a: step(names.a),
    b: step(names.b),
    c: step(names.c),
    ask: wait(names.ask),
  };
  const code: typeof versions = { original, ...versions };
  flow(made.name, async () => {
    await code[made.code]?.(steps);
  });
  return made;
}

const topic = { topic: { title: "old", tags: ["x", "y"] } };

async function original(s: { a: Step; b: Step; c: Step; ask: () => Promise<void> }): Promise<void> {
  await s.a(topic);
  await s.b(1);
  await s.ask();
  await s.c(2);
}

/** Run the original up to its wait, or killed after the second step. */
async function begun(
  made: Subject,
  where: "at the wait" | "before the wait",
): Promise<{ process: Process; id: string }> {
  const world = new World();
  const process = world.process();
  const id = await process.start(made.name);
  if (where === "before the wait")
    world.intercept = (draft, write) => {
      if (draft.body.includes(`"t":"waiting"`)) throw new Error("killed");
      return write();
    };
  await process.drive(id).catch(() => undefined);
  world.intercept = undefined;
  return { process, id };
}

const cases: Record<
  string,
  {
    readonly code: Parameters<typeof subject>[0][string];
    /** Call that is named. */
    readonly call: (names: Subject["names"]) => string;
    readonly says: (names: Subject["names"]) => string;
  }
> = {
  "an input changed deep inside": {
    code: async (s) => {
      await s.a({ topic: { title: "old", tags: ["x", "z"] } });
      await s.b(1);
    },
    call: (names) => `${names.a}:0`,
    says: () => `its input changed at argument 1.topic.tags[1] (recorded "y", now "z")`,
  },
  "an input lost a field": {
    code: async (s) => s.a({ topic: { tags: ["x", "y"] } }),
    call: (names) => `${names.a}:0`,
    says: () => `argument 1.topic.title (recorded "old", now undefined)`,
  },
  "a call was renamed": {
    code: async (s) => {
      await s.a(topic);
      await s.c(1);
    },
    call: (names) => `${names.b}:0`,
    says: (names) => `it recorded "${names.b}:0"`,
  },
  "two calls were reordered": {
    code: async (s) => {
      await s.b(1);
      await s.a(topic);
    },
    call: (names) => `${names.b}:0`,
    says: () => "it was call number 2 of the flow and is now number 1",
  },
  "a call was inserted": {
    code: async (s) => {
      await s.c(9);
      await s.a(topic);
      await s.b(1);
    },
    call: (names) => `${names.a}:0`,
    says: (names) => `it recorded "${names.a}:0", "${names.b}:0"`,
  },
  "a call was removed": {
    code: async (s) => {
      await s.b(1);
      await s.ask();
    },
    call: (names) => `${names.b}:0`,
    says: () => "the calls were reordered, or one was inserted or removed before it",
  },
  "the last calls were removed": {
    code: async (s) => s.a(topic),
    call: (names) => `${names.b}:0`,
    says: () => "and returns without asking for it",
  },
  "all calls were removed": {
    code: async () => undefined,
    call: (names) => `${names.a}:0`,
    says: () => "and returns without asking for it",
  },
};

for (const where of ["at the wait", "before the wait"] as const)
  test.each(Object.keys(cases))(`${where}: %s`, async (what) => {
    const found = cases[what];
    if (found === undefined) throw new Error(what);
    const made = subject({ changed: found.code });
    const { process, id } = await begun(made, where);
    const before = [...made.runs];
    const outcomes = await process.entriesOf(id, "completed");
    expect(before).toHaveLength(2);
    made.code = "changed";
    expect(await process.drive(id)).toBe("failed");
    expect(made.runs).toEqual(before);
    expect(await process.entriesOf(id, "completed")).toEqual(outcomes);
    const error = await process.failure(id);
    expect(error?.code).toBe("divergence");
    expect(error?.message).toContain(found.says(made.names));
    expect(error?.message).toContain(found.call(made.names));
    expect(error?.message).toContain("Nothing new has run");
    expect(error?.message).toMatch(/restore the code[\s\S]*retry[\s\S]*replay/);
    made.code = "original";
    await process.signal(id, { kind: "retry" });
    expect(await process.drive(id)).toBe("waiting");
    await process.answer(id, made.names.ask);
    expect(await process.drive(id)).toBe("completed");
    expect(made.runs).toHaveLength(3);
  });

test("after the wait: a call that was removed before it is found although its answer is new", async () => {
  const made = subject({
    changed: async (s) => {
      await s.a(topic);
      await s.ask();
      await s.c(2);
    },
  });
  const { process, id } = await begun(made, "at the wait");
  await process.answer(id, made.names.ask);
  made.code = "changed";
  expect(await process.drive(id)).toBe("failed");
  expect((await process.failure(id))?.message).toContain(`${made.names.ask}:0`);
  expect(made.runs).toHaveLength(2);
  made.code = "original";
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("completed");
});

test("the wait itself: its question, its metadata, its removal", async () => {
  for (const [changed, says] of [
    [{ question: "Now?" }, `the question (recorded "Ready?", now "Now?")`],
    [{ metadata: { n: 2 } }, `the metadata.n (recorded 1, now 2)`],
  ] as const) {
    const [name, question] = [unique("flow"), unique("ask")];
    const ask = wait(question, { question: "Ready?", metadata: { n: 1 } });
    let options = {};
    flow(name, async () => ask(options));
    const process = new World().process();
    const id = await process.start(name);
    await process.drive(id);
    options = changed;
    expect(await process.drive(id)).toBe("failed");
    expect((await process.failure(id))?.message).toContain(
      `${question}:0: its input changed at ${says}`,
    );
  }
});

test("a kind that changed under the same name", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  let isSleep = false;
  const sleepy = checkpoint("sleep", () => 1);
  const work = checkpoint(step, () => 1);
  flow(name, async () => {
    await work();
    await (isSleep ? sleepy() : sleep("1h"));
  });
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  isSleep = true;
  expect(await process.drive(id)).toBe("failed");
  expect((await process.failure(id))?.message).toContain(
    "sleep:0: it was recorded as a sleep and is now a checkpoint",
  );
});

test("a sleep of another length, a child with another input, another number of arguments", async () => {
  const [name, inner, step] = [unique("flow"), unique("child"), unique("step")];
  const child = flow(inner, async (x: number) => sleep(x));
  const work = checkpoint(step, (...all: number[]) => all.length);
  let version = { args: [1], sleep: 3_600_000, child: 7_200_000 };
  flow(name, async () => {
    await work(...version.args);
    await Promise.all([sleep(version.sleep), child.call(version.child)]);
  });
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  for (const [change, says] of [
    [{ args: [1, 2] }, `${step}:0: its input changed at the number of arguments (1, now 2)`],
    [{ sleep: 5 }, "sleep:0: its input changed at ms (recorded 3600000, now 5)"],
    [{ child: 5 }, `${inner}:0: its input changed at the input (recorded 7200000, now 5)`],
  ] as const) {
    const before = version;
    version = { ...version, ...change } as typeof version;
    expect(await process.drive(id)).toBe("failed");
    expect((await process.failure(id))?.message).toContain(says);
    version = before;
    await process.signal(id, { kind: "retry" });
    expect(await process.drive(id)).toBe("waiting");
  }
});

test("another date to sleep until, another model, another option of it: both values and the remedies", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  const first = { date: 2_000_000_000_000, model: "offline/extract", temperature: 0.1 };
  let version = first;
  flow(name, async () => {
    const { date, model, temperature } = version;
    await llm("One.", { model, temperature });
    await Promise.all([sleep(new Date(date)), ask()]);
  });
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("waiting");
  for (const [change, says] of [
    [
      { date: 2_000_000_001_000 },
      "sleep:0: its input changed at ms (recorded 2033-05-18T03:33:20.000Z, now 2033-05-18T03:33:21.000Z)",
    ],
    [
      { model: "offline/other" },
      'llm:0: its input changed at options.model (recorded "offline/extract", now "offline/other")',
    ],
    [
      { temperature: 0.9 },
      "llm:0: its input changed at options.temperature (recorded 0.1, now 0.9)",
    ],
  ] as const) {
    version = { ...first, ...change };
    expect(await process.drive(id)).toBe("failed");
    const { message } = (await process.failure(id)) ?? {};
    expect(message).toContain(says);
    expect(message).toContain("Either restore the code this execution started with and retry it");
    version = first;
    await process.signal(id, { kind: "retry" });
    expect(await process.drive(id)).toBe("waiting");
  }
});

test("a failed attempt that waits for its next one is matched too", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  let input = "old";
  const runs: string[] = [];
  const work = checkpoint(
    step,
    { retries: { attempts: 3, initialDelay: "1m", jitter: false } },
    (text: string) => {
      runs.push(text);
      throw new Error("not yet");
    },
  );
  flow(name, async () => work(input));
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("waiting");
  input = "new";
  expect(await process.drive(id)).toBe("failed");
  expect((await process.failure(id))?.message).toContain(`argument 1 (recorded "old", now "new")`);
  expect(runs).toEqual(["old"]);
});

test("branches: a changed call beside unchanged ones is found before any of them runs on", async () => {
  const made = subject({
    original: async (s) => {
      await Promise.all([s.a(1).then(() => s.c(3)), s.b(2), s.ask()]);
    },
    changed: async (s) => {
      await Promise.all([s.a(1).then(() => s.c(4)), s.b(2), s.ask()]);
    },
  });
  const { process, id } = await begun(made, "at the wait");
  expect(made.runs).toHaveLength(3);
  made.code = "changed";
  expect(await process.drive(id)).toBe("failed");
  expect((await process.failure(id))?.message).toContain(`${made.names.c}:0`);
  expect(made.runs).toHaveLength(3);
});

test("an early answer that is never asked for is no divergence", async () => {
  const [name, question, step] = [unique("flow"), unique("ask"), unique("step")];
  wait(question);
  const work = checkpoint(step, () => 1);
  flow(name, async () => work());
  const process = new World().process();
  const id = await process.start(name);
  await process.answer(id, question);
  expect(await process.drive(id)).toBe("completed");
});

test("an execution goes on with hashes of the version it began with", async () => {
  const [name, step, question] = [unique("flow"), unique("step"), unique("ask")];
  const work = checkpoint(step, (x: number) => x + 1);
  const ask = wait(question);
  flow(name, async () => {
    const first = await work(1);
    await ask();
    return work(first);
  });
  const world = new World({ capabilities: { segmentBytes: 100_000 } });
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  const inVersion1 = (body: string): string =>
    body
      .replace(`"hash":2`, `"hash":1`)
      .replace(`"h":"[d1;]"`, `"h":"${digest([1])}"`)
      .replace(`"h":"[uu]"`, `"h":"${digest([undefined, undefined])}"`);
  const before = await world.corrupt(id, "j/000000", inVersion1);
  expect(inVersion1(before)).not.toBe(before);

  await process.answer(id, question);
  expect(await process.drive(id)).toBe("completed");
  const [first, second] = (await process.entries(id)).filter(
    (entry) => entry.t === "completed" && entry.name === step,
  );
  expect(first).toMatchObject({ h: digest([1]) });
  expect(second).toMatchObject({ h: digest([2]) });
});
