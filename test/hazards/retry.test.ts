import { expect, test } from "vitest";
import { z } from "zod";
import { Runtime } from "../../core/engine/runtime.ts";
import { type Checkpoint, checkpoint, flow, log, sleep, wait } from "../../core/index.ts";
import { Gate, World, unique } from "./kit.ts";

test("the call that failed runs again, all that was recorded before stays", async () => {
  const [name, good, bad] = [unique("flow"), unique("good"), unique("bad")];
  const runs: string[] = [];
  let isBroken = true;
  const fine = checkpoint(good, () => runs.push("good"));
  const flaky = checkpoint(bad, () => {
    runs.push("bad");
    if (isBroken) throw new Error("not yet");
    return "done";
  });
  flow(name, async () => {
    await fine();
    return flaky();
  });
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("failed");
  expect(await process.entriesOf(id, "ended")).toMatchObject([{ cause: `${bad}:0`, asks: 2 }]);
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe("done");
  expect(runs).toEqual(["good", "bad", "bad"]);
  expect(await process.entriesOf(id, "retried")).toMatchObject([{ voids: [`${bad}:0`] }]);
});

test("calls asked after the failure are forgotten, concurrent siblings stay", async () => {
  const [name, bad, sibling, cleanup] = [
    unique("flow"),
    unique("bad"),
    unique("sibling"),
    unique("cleanup"),
  ];
  const runs: string[] = [];
  let isBroken = true;
  const gate = new Gate();
  const failing = checkpoint(bad, async () => {
    runs.push("bad");
    await gate.promise;
    if (isBroken) throw new Error("not yet");
    return "mended";
  });
  const beside = checkpoint(sibling, () => {
    runs.push("sibling");
    gate.open();
    return "beside";
  });
  const tidy = checkpoint(cleanup, () => runs.push("cleanup"));
  flow(name, async () => {
    const other = beside();
    try {
      return [await failing(), await other];
    } catch (error) {
      await tidy();
      throw error;
    }
  });
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("failed");
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual(["mended", "beside"]);
  expect(runs).toEqual(["sibling", "bad", "cleanup", "bad"]);
  expect(await process.entriesOf(id, "retried")).toMatchObject([
    { voids: [`${bad}:0`, `${cleanup}:0`] },
  ]);
});

test("a failure wrapped in another error is still the cause", async () => {
  const [name, bad] = [unique("flow"), unique("bad")];
  let isBroken = true;
  const failing = checkpoint(bad, () => {
    if (isBroken) throw new Error("inner");
    return 1;
  });
  flow(name, async () =>
    failing().catch((cause: unknown) => {
      throw new Error("outer", { cause });
    }),
  );
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  expect(await process.failure(id)).toMatchObject({ message: "outer" });
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("completed");
});

test("a flow that threw an error of its own: a state error that says to use replay", async () => {
  const name = unique("flow");
  flow(name, async () => {
    throw new RangeError("mine");
  });
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  await expect(process.signal(id, { kind: "retry" })).rejects.toMatchObject({
    code: "state",
    message: expect.stringMatching(/mine[\s\S]*replay/) as string,
  });
});

test("only failed executions can be retried, in every other state the error names it", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask());
  const process = new World().process();
  const id = await process.start(name);
  const refusal = (status: string) => `Execution ${id} is currently ${status}`;
  const retry = () => process.signal(id, { kind: "retry" });
  await expect(retry()).rejects.toThrow(refusal("queued"));
  await process.drive(id);
  await expect(retry()).rejects.toThrow(refusal("waiting"));
  await process.signal(id, { kind: "cancel" });
  await process.drive(id);
  await expect(retry()).rejects.toThrow(refusal("cancelled"));
  const done = await process.start(name, undefined, `${id}-done`);
  await process.answer(done, question);
  await process.drive(done);
  await expect(process.signal(done, { kind: "retry" })).rejects.toThrow("is currently completed");
});

test("a second retry before the first is adopted is a repeat", async () => {
  const [name, bad] = [unique("flow"), unique("bad")];
  const failing = checkpoint(bad, () => {
    throw new Error("always");
  });
  flow(name, async () => failing());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  expect(await process.signal(id, { kind: "retry" })).toEqual({ repeated: false });
  expect(await process.signal(id, { kind: "retry" })).toEqual({ repeated: true });
  await process.drive(id);
  expect(await process.entriesOf(id, "retried")).toHaveLength(1);
  expect(await process.entriesOf(id, "ended")).toHaveLength(2);
});

test("a retry does not take the old end for the new one", async () => {
  const [name, bad] = [unique("flow"), unique("bad")];
  const gate = new Gate<string>();
  let isBroken = true;
  const failing = checkpoint(bad, () => {
    if (isBroken) throw new Error("old");
    return gate.pass();
  });
  flow(name, async () => failing());
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  const driven = process.drive(id);
  await gate.entered;
  expect((await process.head(id)).view.status).toBe("running");
  expect(await process.status(id)).toBe("running");
  gate.open("new");
  expect(await driven).toBe("completed");
});

test("whoever awaits the end of a retried execution is not given the old one", async () => {
  const [name, bad] = [unique("flow"), unique("bad")];
  let isBroken = true;
  const failing = checkpoint(bad, () => {
    if (isBroken) throw new Error("old");
    return "new";
  });
  flow(name, async () => failing());
  const process = new World().process();
  const runtime = new Runtime({ stack: "memory", backend: process.context.backend });
  const id = await process.start(name);
  await process.drive(id);
  expect((await runtime.ended(id))?.view.status).toBe("failed");
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  expect(await runtime.ended(id, 30)).toBeUndefined();
  await process.drive(id);
  expect((await runtime.ended(id))?.view).toMatchObject({ status: "completed", out: { v: "new" } });
});

test("an answer that was accepted while the flow failed is there after the retry", async () => {
  const [name, question, bad] = [unique("flow"), unique("ask"), unique("bad")];
  const ask = wait(question, { schema: z.string() });
  let isBroken = true;
  const world = new World();
  const process = world.process();
  const failing = checkpoint(bad, async () => {
    if (!isBroken) return "mended";
    await process.answer(id, question, "kept");
    throw new Error("not yet");
  });
  flow(name, async () => {
    const said = ask();
    await sleep(10_000);
    return [await failing(), await said];
  });
  const id = await process.start(name);
  await process.drive(id);
  world.clock.jump(world.clock.now() + 10_000);
  expect(await process.drive(id)).toBe("failed");
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual(["mended", "kept"]);
});

test("a cancel that came too late for the failed run does not cancel the retried one", async () => {
  const [name, question, bad] = [unique("flow"), unique("ask"), unique("bad")];
  const ask = wait(question);
  let isBroken = true;
  const process = new World().process();
  const failing = checkpoint(bad, async () => {
    if (!isBroken) return "mended";
    await process.signal(id, { kind: "cancel" });
    throw new Error("not yet");
  });
  flow(name, async () => {
    const value = await failing();
    await ask();
    return value;
  });
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("failed");
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  const directive = await process.advance(id);
  expect(directive.kind).toBe("park");
  await process.answer(id, question);
  expect(await process.drive(id)).toBe("completed");
});

test("after a divergence the mended code goes on where it was", async () => {
  const [name, step, question] = [unique("flow"), unique("step"), unique("ask")];
  const runs: string[] = [];
  let topic = "old";
  const work = checkpoint(step, (input: string) => runs.push(input));
  const ask = wait(question);
  flow(name, async () => {
    await work(topic);
    await ask();
    return "through";
  });
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  topic = "new";
  expect(await process.drive(id)).toBe("failed");
  expect(await process.failure(id)).toMatchObject({ code: "divergence" });
  topic = "old";
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("waiting");
  await process.answer(id, question);
  expect(await process.drive(id)).toBe("completed");
  expect(runs).toEqual(["old"]);
});

test("a failed isolated step runs again", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const attempts: string[] = [];
  let isBroken = true;
  const work = checkpoint(
    step,
    { runtime: "isolated", retries: { attempts: 1, initialDelay: 1, jitter: false } },
    () => {
      attempts.push(isBroken ? "broken" : "mended");
      if (isBroken) throw new Error("not yet");
      return "done";
    },
  );
  flow(name, async () => work());
  const process = new World({ capabilities: { isolated: true } }).process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("failed");
  expect(attempts).toEqual(["broken", "broken"]);
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("failed");
  expect(attempts).toEqual(["broken", "broken", "broken", "broken"]);
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe("done");
});

test("a flow's own retries repeat the failed call and then give up", async () => {
  const [name, bad] = [unique("flow"), unique("bad")];
  let runs = 0;
  const failing = checkpoint(bad, () => {
    runs++;
    throw new Error("always");
  });
  flow(name, { retries: 2 }, async () => failing());
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("failed");
  expect(runs).toBe(3);
  expect(await process.entriesOf(id, "retried")).toMatchObject([{ auto: true }, { auto: true }]);
});

test("a flow's own retries do not extend its timeout; a retry by hand does", async () => {
  const [name, bad] = [unique("flow"), unique("bad")];
  const world = new World();
  const failing = checkpoint(bad, () => {
    return new Promise((_resolve, reject) => {
      world.clock.schedule(6000, () => reject(new Error("slow failure")));
    });
  });
  flow(name, { retries: 5, timeout: "15s" }, async () => failing());
  const process = world.process();
  const id = await process.start(name);
  const from = world.clock.now();
  expect(await process.drive(id)).toBe("failed");
  expect(await process.failure(id)).toMatchObject({ code: "timeout" });
  expect(world.clock.now() - from).toBe(15_000);
  await process.signal(id, { kind: "retry" });
  await process.drive(id);
  expect(await process.failure(id)).toMatchObject({ code: "timeout" });
  expect(world.clock.now() - from).toBe(30_000);
});

test("after a timeout of the flow, what its finally blocks recorded is forgotten", async () => {
  const [name, question, clean, after] = [
    unique("flow"),
    unique("ask"),
    unique("clean"),
    unique("after"),
  ];
  const ask = wait(question);
  const runs: string[] = [];
  const tidy = checkpoint(clean, () => runs.push("tidy"));
  const more = checkpoint(after, () => runs.push("more"));
  flow(name, { timeout: "1h" }, async () => {
    try {
      await ask();
      await more();
      return "through";
    } finally {
      await tidy();
    }
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  world.clock.jump(world.clock.now() + 3_600_000);
  expect(await process.drive(id)).toBe("failed");
  expect(await process.failure(id)).toMatchObject({ code: "timeout" });
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("waiting");
  await process.answer(id, question);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe("through");
  expect(runs).toEqual(["tidy", "more", "tidy"]);
});

/** An execution that has failed at its second call while a wait beside it was open, asked to be retried; nothing has taken that in. */
async function retrying() {
  const [name, question, bad] = [unique("flow"), unique("ask"), unique("bad")];
  const ask = wait(question, { schema: z.string() });
  let isBroken = true;
  const failing = checkpoint(bad, async () => {
    if (isBroken) throw new Error("not yet");
    return "mended";
  });
  const quick = checkpoint(unique("quick"), () => "quick");
  flow(name, async () => Promise.all([ask(), quick().then(() => failing())]));
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("failed");
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  return { process, id, question };
}

test("an answer between a retry and the advance that takes it in is accepted", async () => {
  const { process, id, question } = await retrying();
  expect(await process.answer(id, question, "yes")).toMatchObject({ callId: `${question}:0` });
  expect(await process.answer(id, question, "yes")).toMatchObject({ repeated: true });
  await expect(process.answer(id, question, "no")).rejects.toThrow("another value");
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual(["yes", "mended"]);
});

test("so is a cancel", async () => {
  const { process, id } = await retrying();
  await process.signal(id, { kind: "cancel" });
  expect(await process.drive(id)).toBe("cancelled");
});

test("a wait that was aborted and let the execution fail can be answered once that is retried", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question, { schema: z.string() });
  flow(name, async () => ask());
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  await process.signal(id, { kind: "abort", target: question });
  expect(await process.drive(id)).toBe("failed");
  await expect(process.answer(id, question, "yes")).rejects.toThrow("has already been aborted");
  await process.signal(id, { kind: "retry" });
  expect(await process.signal(id, { kind: "retry" })).toMatchObject({ repeated: true });
  await process.answer(id, question, "yes");
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe("yes");
});

/** A flow over four steps that all fail until they are mended; `runs` has every attempt. */
function failingSteps(body: (step: Checkpoint<[number], number>) => Promise<unknown>) {
  const name = unique("flow");
  const runs: number[] = [];
  const broken = new Set([1, 2, 3, 4]);
  const step = checkpoint(unique("step"), async (x: number) => {
    runs.push(x);
    if (broken.has(x)) throw new Error(`step ${x}`);
    return x * 10;
  });
  flow(name, async () => body(step));
  return { name, runs, mend: () => broken.clear(), broken };
}

const together: Readonly<Record<string, Parameters<typeof failingSteps>[0]>> = {
  "map()": (step) => step.map([1, 2, 3, 4]),
  "map() two at a time, wrapped in an error of the flow's own": (step) =>
    step.map([1, 2, 3, 4], { concurrency: 2 }).catch((cause: unknown) => {
      throw new Error("no report", { cause });
    }),
  "Promise.all": (step) => Promise.all([1, 2, 3, 4].map((x) => step(x))),
  "an AggregateError over what settled": async (step) => {
    const settled = await step.map([1, 2, 3, 4], { settle: true });
    const failures = settled.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    if (failures.length > 0) throw new AggregateError(failures, "some failed");
    return settled.map((one) => (one.status === "fulfilled" ? one.value : 0));
  },
};

test.for(Object.entries(together))(
  "one retry tries all that failed again: %s",
  async ([, body]) => {
    const { name, runs, mend } = failingSteps(body);
    const process = new World().process();
    const id = await process.start(name);
    expect(await process.drive(id)).toBe("failed");
    mend();
    const before = runs.splice(0);
    await process.signal(id, { kind: "retry" });
    expect(await process.drive(id)).toBe("completed");
    expect(await process.output(id)).toEqual([10, 20, 30, 40]);
    expect(new Set(runs)).toEqual(new Set([1, 2, 3, 4]));
    expect(before.length).toBeGreaterThan(1);
  },
);

test("Promise.any: one retry tries all again", async () => {
  const { name, runs, broken } = failingSteps((step) =>
    Promise.any([1, 2, 3, 4].map((x) => step(x))),
  );
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("failed");
  broken.delete(3);
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe(30);
  expect(runs).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
});

test("what a flow has handled stays handled: only the failure it threw is tried again", async () => {
  const { name, runs, mend } = failingSteps(async (step) => {
    const settled = await step.map([1, 2, 3], { settle: true });
    return [settled.map((one) => one.status), await step(4)];
  });
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("failed");
  mend();
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual([["rejected", "rejected", "rejected"], 40]);
  expect(runs).toEqual([1, 2, 3, 4, 4]);
});

test("what was asked before the last failure of a map stays", async () => {
  const [name, other] = [unique("flow"), unique("other")];
  const gate = new Gate();
  let isBroken = true;
  const runs: string[] = [];
  const quick = checkpoint(other, (what: string) => runs.push(what));
  const step = checkpoint(unique("step"), async (x: number) => {
    runs.push(`step ${x}`);
    if (x === 2) await gate.pass();
    if (isBroken) throw new Error(`step ${x}`);
    return x;
  });
  flow(name, async () => {
    const beside = quick("first").then(() => quick("second"));
    void beside.then(() => gate.open());
    return Promise.all([step.map([1, 2]), beside]);
  });
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("failed");
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("completed");
  expect(runs.toSorted()).toEqual(["first", "second", "step 1", "step 1", "step 2", "step 2"]);
});

test("what the flow logs after a retry is kept, whatever it had logged about the failure", async () => {
  const [name, bad, last] = [unique("flow"), unique("bad"), unique("last")];
  let failures = 2;
  const flaky = checkpoint(bad, () => {
    if (failures-- > 0) throw new Error("not yet");
    return "done";
  });
  const finish = checkpoint(last, () => "finished");
  flow(name, { retries: 1 }, async () => {
    log({ step: "begun" });
    try {
      await flaky();
    } catch (error) {
      log({ step: "failed" });
      throw error;
    }
    log({ step: "done" });
    await finish();
    log({ step: "finished" });
  });
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("failed");
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("completed");
  const logged = await process.entriesOf(id, "log");
  expect(logged.map(({ fields }) => (fields as { v: { step: string } }).v.step)).toEqual([
    "begun",
    "failed",
    "failed",
    "done",
    "finished",
  ]);
});

test("an at-most-once checkpoint is not run again by the retries of its flow or its parent, only by a retry somebody asks for", async () => {
  const [name, inner, outer] = [unique("charge"), unique("child"), unique("parent")];
  const runs: string[] = [];
  let isBroken = true;
  const charge = checkpoint(name, { semantics: "at-most-once" }, () => {
    runs.push("charge");
    if (isBroken) throw new Error("no answer");
    return "charged";
  });
  const child = flow(inner, { retries: 2 }, async (_x: number) => charge());
  flow(outer, { retries: 2 }, async () => child.call(1));
  const process = new World().process();
  const id = await process.start(outer);
  expect(await process.drive(id)).toBe("waiting");
  const childId = `${id}/${inner}:0`;
  expect(await process.drive(childId)).toBe("failed");
  expect(await process.drive(id)).toBe("failed");
  expect(runs).toEqual(["charge"]);
  expect(await process.entriesOf(id, "retried")).toEqual([]);
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  await process.drive(id);
  expect(await process.drive(childId)).toBe("completed");
  expect(await process.drive(id)).toBe("completed");
  expect(runs).toEqual(["charge", "charge"]);
});

test("one retry tries all that failed again: an AggregateError whose errors wrap what failed", async () => {
  const [name, bad] = [unique("flow"), unique("bad")];
  const runs: number[] = [];
  let isBroken = true;
  const flaky = checkpoint(bad, (x: number) => {
    runs.push(x);
    if (isBroken) throw new Error("not yet");
    return x;
  });
  flow(name, async () => {
    const settled = await Promise.allSettled([flaky(1), flaky(2)]);
    const errors = settled.flatMap((one) =>
      one.status === "rejected" ? [new Error("wrapped", { cause: one.reason })] : [],
    );
    if (errors.length > 0) throw new Error("all", { cause: new AggregateError(errors) });
    return settled.length;
  });
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("failed");
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("completed");
  expect(runs).toEqual([1, 2, 1, 2]);
});
