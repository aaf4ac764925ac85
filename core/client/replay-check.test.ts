import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { threadCpuUsage } from "node:process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { registry } from "../engine/definitions.ts";
import { headDraft, headKey, readHead } from "../journal/head.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { now, random } from "../primitives/deterministic.ts";
import { flow } from "../primitives/flow.ts";
import { llm } from "../primitives/llm.ts";
import { sleep } from "../primitives/sleep.ts";
import { checkpointContext } from "../primitives/scope.ts";
import { wait } from "../primitives/wait.ts";
import type { ReplayCheck } from "./replay-check.ts";

const thisFile = fileURLToPath(import.meta.url);
const source = readFileSync(thisFile, "utf8").split("\n");

let stack: TestStack;

beforeEach(async () => {
  registry.clear();
  stack = await testStack();
});

afterEach(() => stack.close());

type Body = (topic: string) => Promise<unknown>;

/** A flow whose body can be exchanged, as a new build does. */
function program(body: Body) {
  const build = { body };
  const writing = flow("writing", async (topic: string) => (await build.body(topic)) as string);
  return { build, writing };
}

const research = () =>
  checkpoint("research", (topic: string) => ({ notes: `notes about ${topic}` }));

function calls() {
  return {
    research: research(),
    classify: checkpoint("classify", (notes: string) => notes.length),
    draft: checkpoint("draft", (notes: string) => `Draft from ${notes}`),
    publish: checkpoint("publish", (text: string) => `PUBLISHED: ${text}`),
    approve: wait("approve"),
  };
}

const check = (options = {}): Promise<ReplayCheck> =>
  stack.client.executions.replayCheck({
    flow: "writing",
    against: "local",
    values: true,
    ...options,
  });

/** `kind call message`, without the place. */
function texts({ executions: [first] }: ReplayCheck): string[] {
  return (first?.divergences ?? []).map(({ kind, call, message, values }) =>
    [kind, call, message, values && `(${values})`].filter((part) => part !== undefined).join(" "),
  );
}

async function recorded(before: Body, topic = "kitaru") {
  const { build, writing } = program(before);
  await stack.run(writing, topic, { id: "e1", answers: { approve: undefined } });
  return build;
}

test("unchanged code is green: calls of every kind, failures, branches, time and chance", async () => {
  const { research: find, draft, publish, approve } = calls();
  const flaky = checkpoint("flaky", (text: string) => {
    throw new RangeError(`no ${text}`);
  });
  const child = flow("child", async (text: string) => draft(text));
  await recorded(async (topic) => {
    const started = now();
    const { notes } = await find(topic);
    const failure: unknown = await flaky(notes).catch((error: unknown) => error);
    const drafts = await Promise.all([
      draft(notes),
      llm(notes, { model: "offline/extract" }),
      child.call(notes),
    ]);
    await sleep("1 day");
    await approve({ metadata: { drafts } });
    const first = await Promise.race([publish("a"), sleep("2 days")]);
    return [drafts, first, (failure as Error).message, now() - started, random()];
  });
  expect(await check()).toMatchObject({
    flow: "writing",
    against: "local",
    ok: true,
    executions: [
      { id: "e1", version: "local", status: "completed", result: "match", divergences: [] },
    ],
    summary: { checked: 1, diverged: 0, skipped: 0 },
  });
});

test("nothing executes and nothing is written", async () => {
  const ran: string[] = [];
  const step = checkpoint("step", (text: string) => void ran.push(text));
  const build = await recorded(async (topic) => step(topic));
  build.body = async (topic) => {
    await step(topic);
    await step("another");
  };
  const { records, blobs } = stack.backend;
  const refuse = (): never => {
    throw new Error("written");
  };
  Object.assign(records, { put: refuse, delete: refuse });
  Object.assign(blobs, { put: refuse });
  expect((await check()).summary.diverged).toBe(1);
  expect(ran).toEqual(["kitaru"]);
});

test("nor does a flow body start executions of its own", async () => {
  const { research: find } = calls();
  const aside = flow("aside", async (topic: string) => topic);
  const build = await recorded(async (topic) => find(topic));
  build.body = async (topic) => {
    aside.run(topic, { id: "aside" });
    return find(topic);
  };
  expect((await check()).ok).toBe(true);
  await expect(stack.client.executions.get("aside")).rejects.toMatchObject({ code: "not_found" });
});

test("a renamed call is new, and what was recorded there is named", async () => {
  const { research: find, draft, publish, classify } = calls();
  const build = await recorded(async (topic) => publish(await draft((await find(topic)).notes)));
  build.body = async (topic) => publish(String(await classify((await find(topic)).notes)));
  const found = await check();
  expect(texts(found)).toEqual([
    "new classify:0 is not recorded; what is recorded there is draft:0",
  ]);
  const [divergence] = found.executions[0]?.divergences ?? [];
  expect(divergence?.place).toMatchObject({
    file: thisFile,
    line: lineOf("String(await classify("),
  });
});

test("an inserted call, before and after a wait", async () => {
  const { research: find, draft, publish, classify, approve } = calls();
  const build = await recorded(async (topic) => {
    const text = await draft((await find(topic)).notes);
    await approve();
    return publish(text);
  });
  build.body = async (topic) => {
    const { notes } = await find(topic);
    await classify(notes);
    return notes;
  };
  expect(texts(await check())).toEqual([
    "new classify:0 is not recorded; what is recorded there is draft:0",
  ]);
  build.body = async (topic) => {
    const text = await draft((await find(topic)).notes);
    await approve();
    await classify(text);
    return publish(text);
  };
  expect(texts(await check())).toEqual([
    "new classify:0 is not recorded; what is recorded there is publish:0",
  ]);
  build.body = async (topic) => {
    const text = await draft((await find(topic)).notes);
    await approve();
    const published = await publish(text);
    await classify(text);
    return published;
  };
  expect(texts(await check())).toEqual([
    "new classify:0 is not recorded; what is recorded there is nothing more",
  ]);
});

test("removed calls are gone, with the place where the next one is asked for", async () => {
  const { research: find, draft, publish, classify, approve } = calls();
  const build = await recorded(async (topic) => {
    const { notes } = await find(topic);
    await classify(notes);
    await approve();
    return publish(await draft(notes));
  });
  build.body = async (topic) => {
    const { notes } = await find(topic);
    const text = await draft(notes); // the first that is asked for after what is gone
    return text;
  };
  const found = await check();
  expect(texts(found)).toEqual([
    "gone classify:0 is recorded, and is not asked for any more; it was asked before draft:0",
    "gone approve:0 is recorded, and is not asked for any more; it was asked before draft:0",
    "gone publish:0 is recorded, and is not asked for any more",
  ]);
  const places = found.executions[0]?.divergences.map(({ place }) => place?.line);
  expect(places).toEqual([
    lineOf("the first that is asked"),
    lineOf("the first that is asked"),
    undefined,
  ]);
});

test("reordered calls are told once, those that keep their order are not", async () => {
  const { research: find, draft, publish, classify } = calls();
  const build = await recorded(async (topic) => {
    const { notes } = await find(topic);
    await classify(notes);
    await draft(notes);
    return publish(notes);
  });
  build.body = async (topic) => {
    const { notes } = await find(topic);
    await draft(notes);
    await classify(notes);
    return publish(notes);
  };
  expect(texts(await check())).toEqual([
    "order classify:0 is asked after draft:0, and was recorded before it",
  ]);
});

test("a changed input is told with its path, and the rest is checked all the same", async () => {
  const { research: find, publish } = calls();
  const draft = checkpoint(
    "write",
    (from: { notes: string; style: { tone: string } }) => from.notes,
  );
  const build = await recorded(async (topic) => {
    const { notes } = await find(topic);
    return publish(await draft({ notes, style: { tone: "plain" } }));
  });
  build.body = async (topic) => {
    const { notes } = await find(topic);
    return publish(`${await draft({ notes, style: { tone: "warm" } })}!`);
  };
  const found = await check();
  expect(texts(found)).toEqual([
    'input write:0 has another input at argument 1.style.tone (recorded "plain", now "warm")',
    'input publish:0 has another input at argument 1 (recorded "notes about kitaru", now "notes about kitaru!")',
  ]);
  expect(JSON.stringify(await check({ values: false }))).not.toMatch(/plain|warm|notes about/);
  expect(found.executions[0]?.divergences).toMatchObject([
    { path: "argument 1.style.tone", place: { file: thisFile, line: lineOf('tone: "warm"') } },
    { path: "argument 1" },
  ]);
});

test("a changed prompt or model of the flow, a changed question, a changed length of sleep", async () => {
  const { approve } = calls();
  const settings = { prompt: "One. Two.", temperature: 0.1, question: "Publish?", days: 1 };
  await recorded(async () => {
    const { prompt, temperature, question, days } = settings;
    await llm(prompt, { model: "offline/extract", temperature });
    await approve({ question });
    await sleep(days * 86_400_000);
  });
  const changed = async (change: Partial<typeof settings>): Promise<string[]> => {
    const before = { ...settings };
    Object.assign(settings, change);
    const found = texts(await check());
    Object.assign(settings, before);
    return found;
  };
  expect(await changed({ prompt: "One. Three." })).toEqual([
    'input llm:0 has another input at the prompt[0].content (recorded "One. Two.", now "One. Three.")',
  ]);
  expect(await changed({ temperature: 0.2 })).toEqual([
    "input llm:0 has another input at options.temperature (recorded 0.1, now 0.2)",
  ]);
  expect(await changed({ question: "Really?" })).toEqual([
    'input approve:0 has another input at the question (recorded "Publish?", now "Really?")',
  ]);
  expect(await changed({ days: 2 })).toEqual([
    "input sleep:0 has another input at ms (recorded 86400000, now 172800000)",
  ]);
  expect(await changed({})).toEqual([]);
});

test("a call of another kind under the same name", async () => {
  const build = await recorded(async (topic) => research()(topic));
  registry.clear();
  const asWait = wait("research");
  flow("writing", async (topic: string) => build.body(topic) as Promise<string>);
  build.body = async () => asWait();
  expect(texts(await check())).toEqual([
    "kind research:0 was recorded as checkpoint, and is wait now",
  ]);
});

test("a loop that begins a round earlier has one new call, and not a change in every round", async () => {
  const step = checkpoint("step", (round: number) => round * 10);
  const settings = { first: 1 };
  await recorded(async () => {
    for (let round = settings.first; round < 5; round++) await step(round);
  });
  settings.first = 0;
  expect(texts(await check())).toHaveLength(1);
  settings.first = 2;
  expect(texts(await check())).toEqual([
    "gone step:0 is recorded, and is not asked for any more; it was asked before step:1",
  ]);
});

test("another result or failure, with the same calls, is told as such", async () => {
  const { research: find } = calls();
  const build = await recorded(async (topic) => ({ found: await find(topic), parts: [1, 2] }));
  build.body = async (topic) => ({ found: await find(topic), parts: [1, 3] });
  const found = await check();
  expect(texts(found)).toEqual([
    "result the flow returns something else at result.parts[1] (recorded 2, now 3)",
  ]);
  expect(found.executions[0]?.divergences[0]?.path).toBe("result.parts[1]");
  build.body = async (topic) => {
    await find(topic);
    throw new RangeError("not any more");
  };
  expect(texts(await check())).toEqual([
    "result the flow fails: RangeError: not any more (recorded: did not fail)",
  ]);
  build.body = async (topic) => {
    await find(topic);
    return () => 1;
  };
  expect(texts(await check())).toEqual([
    expect.stringMatching(/^result the flow returns something else at result/),
  ]);
  build.body = async (topic) => {
    await find(topic);
    await new Promise(() => undefined);
  };
  expect(texts(await check())).toEqual([
    "result the flow body awaits something of its own, which is not recorded",
  ]);
});

test("a failed execution is checked with its failure", async () => {
  const fails = checkpoint("fails", () => {
    throw new RangeError("no");
  });
  const { build, writing } = program(async () => fails());
  await stack.run(writing, "kitaru", { id: "e1" }).catch(() => undefined);
  expect(await check()).toMatchObject({
    ok: true,
    executions: [{ status: "failed", result: "match" }],
  });
  build.body = async () => fails().catch(() => "caught");
  expect(texts(await check())).toEqual([
    "result the flow returns, and failed when it was recorded: RangeError: no",
  ]);
  build.body = async () =>
    fails().catch((error: unknown) => {
      throw new TypeError("wrapped", { cause: error });
    });
  expect(texts(await check())).toEqual([
    "result the flow fails: TypeError: wrapped (recorded: RangeError: no)",
  ]);
});

test("an execution that waits is checked as far as it is", async () => {
  const { research: find, approve, publish } = calls();
  const { build, writing } = program(async (topic) => {
    const { notes } = await find(topic);
    await approve({ metadata: { notes } });
    return publish(notes);
  });
  await stack.waiting(writing.run("kitaru", { id: "e1" }).id);
  expect(await check()).toMatchObject({
    ok: true,
    executions: [{ status: "waiting", result: "match" }],
  });
  build.body = async (topic) => publish((await find(topic)).notes);
  expect(texts(await check())).toEqual([
    "new publish:0 is not recorded; what is recorded there is approve:0",
  ]);
  build.body = async (topic) => (await find(topic)).notes;
  expect(texts(await check())).toEqual([
    "gone approve:0 is recorded, and is not asked for any more",
  ]);
});

test("a checkpoint that lost a race and left nothing was asked all the same, first or last", async () => {
  const { research: find, draft } = calls();
  const endless = checkpoint(
    "endless",
    () =>
      new Promise<string>((_resolve, reject) => {
        const { signal } = checkpointContext();
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  );
  const build = await recorded(async (topic) => {
    const first = await Promise.race([endless(), draft(topic)]);
    return Promise.race([find(first), endless()]);
  });
  expect(texts(await check())).toEqual([]);
  const before = build.body;
  build.body = async (topic) => {
    const found = await before(topic);
    void draft("again");
    return found;
  };
  expect(texts(await check())).toEqual([
    "new draft:1 is not recorded; what is recorded there is nothing more",
  ]);
});

test("an answer that came before its question is recorded", async () => {
  const { research: find, approve } = calls();
  const gate = wait("gate");
  const { writing } = program(async (topic) => {
    await gate();
    await approve({ question: topic });
    return (await find(topic)).notes;
  });
  const handle = writing.run("kitaru", { id: "e1" });
  await handle.started;
  await stack.waiting("e1");
  await approve.answer("e1");
  await gate.answer("e1");
  await stack.finish(handle);
  expect(texts(await check())).toEqual([]);
});

test("an execution that ended is not to wait for what never came to an end", async () => {
  const { research: find, approve } = calls();
  const build = await recorded(async (topic) => Promise.race([find(topic), approve()]));
  expect((await check()).ok).toBe(true);
  build.body = async (topic) => Promise.all([find(topic), approve()]);
  expect(texts(await check())).toEqual([
    "result the flow waits for approve:0, and ended when it was recorded",
  ]);
});

test("what does not tell what the code does by itself is skipped, and said", async () => {
  const { research: find, approve } = calls();
  const { build, writing } = program(async (topic) => {
    await find(topic);
    await approve();
  });
  const answers = { approve: undefined };
  await stack.run(writing, "kitaru", { id: "e1", answers });
  await stack.finish(writing.replay("e1"), { answers });
  const cancelled = writing.run("kitaru", { id: "cancelled" });
  await stack.waiting("cancelled");
  await cancelled.cancel();
  await cancelled.result().catch(() => undefined);
  const found = await check();
  expect(found.summary).toEqual({ checked: 1, diverged: 0, skipped: 2 });
  expect(found.executions.flatMap(({ reason }) => reason ?? []).toSorted()).toEqual([
    "it is a replay",
    "it was cancelled",
  ]);
  const running = writing.run("kitaru", { id: "diverges" });
  await stack.waiting("diverges");
  build.body = async () => find("another");
  await approve.answer("diverges");
  await running.result().catch(() => undefined);
  expect((await check()).executions.find(({ id }) => id === "diverges")).toMatchObject({
    result: "skipped",
    reason: "it ended as divergence",
  });
});

test("an execution that runs, has timed out or was moved away is skipped", async () => {
  const { approve } = calls();
  const working = Promise.withResolvers<void>();
  const work = checkpoint("work", () => working.promise);
  const body: Body = async (topic) => (topic === "works" ? work() : approve());
  const { writing } = program(body);
  const slow = flow("slow", { timeout: "1 day" }, async (topic: string) => body(topic));
  const running = writing.run("works", { id: "running" });
  await expect.poll(async () => (await running.status()) as string).toBe("running");
  writing.run("kitaru", { id: "moved" });
  await stack.waiting("moved");
  const folder = await mkdtemp(join(tmpdir(), "kitaru-check-"));
  await stack.client.executions.export("moved", { file: join(folder, "a"), move: true });
  await rm(folder, { recursive: true });
  const reasons = async (of: string) =>
    (await check({ flow: of })).executions.map(({ id, reason }) => `${id}: ${reason}`).toSorted();
  expect(await reasons("writing")).toEqual(["moved: it was moved away", "running: it is running"]);
  working.resolve();
  slow.run("kitaru", { id: "late" });
  await stack.waiting("late");
  await stack.clock.advanceBy("2 days");
  expect(await reasons("slow")).toEqual(["late: it timed out"]);
});

test("a wait that the code asks and no longer awaits is asked all the same", async () => {
  const { approve } = calls();
  const { build, writing } = program(async () => approve());
  writing.run("kitaru", { id: "e1" });
  await stack.waiting("e1");
  build.body = async () => void approve();
  expect(await check()).toMatchObject({ executions: [{ status: "waiting", result: "match" }] });
});

test("another number of arguments, and a model call that was recorded without its request", async () => {
  const step = checkpoint("step", (...words: string[]) => words.join(" "));
  const ask = { model: "offline/extract", record: "metadata" } as const;
  const build = await recorded(async (topic) => [await step(topic), await llm(topic, ask)]);
  build.body = async (topic) => [await step(topic, topic), await llm(`${topic}!`, ask)];
  expect(texts(await check())).toEqual([
    "input step:0 has another input at the number of arguments (1, now 2)",
    "input llm:0 has another input",
  ]);
});

test("code that only its executions know is loaded from where they say; what keeps it from loading is told", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kitaru-check-"));
  const file = (name: string): string => join(folder, name);
  await recorded(async (topic) => topic);
  registry.clear();
  const index = JSON.stringify(fileURLToPath(new URL("../index.ts", import.meta.url)));
  await writeFile(file("none.ts"), `export {};`);
  await writeFile(
    file("writing.ts"),
    `import { flow } from ${index}; flow("writing", async (topic) => topic + "!");`,
  );
  const says = async (module: string | undefined): Promise<void> => {
    const { records } = stack.backend;
    const found = await records.get(headKey("e1"));
    if (found === undefined) throw new Error("no head");
    const head = readHead(found);
    const { source: _old, ...facts } = head.facts;
    const changed = { ...facts, ...(module === undefined ? {} : { source: module }) };
    await records.put(headDraft({ ...head, facts: changed }, 1), found.version);
  };
  await says(undefined);
  await expect(check()).rejects.toThrow('Flow "writing" is not defined in this program.');
  await says(file("none.ts"));
  await expect(check()).rejects.toThrow(/does not define flow "writing" any more/);
  await says(file("writing.ts"));
  expect(texts(await check())).toEqual([
    'result the flow returns something else at result (recorded "kitaru", now "kitaru!")',
  ]);
  await rm(folder, { recursive: true });
});

test("the newest executions of a version are checked, as many as were asked for", async () => {
  const { research: find } = calls();
  const { writing } = program(async (topic) => find(topic));
  for (let run = 0; run < 5; run++) {
    await stack.run(writing, "kitaru", { id: `e${run}` });
    await stack.clock.advanceBy("1 second");
  }
  const ids = async (options: object): Promise<string[]> =>
    (await check(options)).executions.map(({ id }) => id);
  expect(await ids({ last: 2 })).toEqual(["e4", "e3"]);
  expect(await ids({ version: "local" })).toHaveLength(5);
  expect(await ids({ version: 3 })).toEqual([]);
  await expect(check({ last: 0 })).rejects.toThrow(
    "last must be a whole number from 1 to 1000, not 0.",
  );
  await expect(check({ tag: "a", version: 1 })).rejects.toThrow("exclude each other");
  await expect(check({ tag: "stable" })).rejects.toMatchObject({ code: "not_found" });
  await expect(check({ against: 7 })).rejects.toMatchObject({ code: "not_found" });
  await expect(check({ flow: "none" })).rejects.toThrow(
    'Flow "none" is not defined in this program.',
  );
});

test("a hundred executions are checked in well under ten seconds", async () => {
  const step = checkpoint("step", (round: number) => `result of ${round}`);
  const { writing } = program(async () => {
    for (let round = 0; round < 20; round++) await step(round);
  });
  await Promise.all(
    Array.from({ length: 100 }, (_, run) => stack.run(writing, "kitaru", { id: `e${run}` })),
  );
  const start = threadCpuUsage();
  const { summary } = await check({ last: 100 });
  expect(summary).toEqual({ checked: 100, diverged: 0, skipped: 0 });
  expect(threadCpuUsage(start).user / 1000).toBeLessThan(5000);
});

/** Number of the first line of this file that has a text in it. */
function lineOf(text: string): number {
  return source.findIndex((line) => line.includes(text)) + 1;
}
