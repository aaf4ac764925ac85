import { expect, test } from "vitest";
import { Executions } from "../../core/client/executions.ts";
import { Runtime } from "../../core/engine/runtime.ts";
import { checkpoint, flow, sleep, wait } from "../../core/index.ts";
import { Gate, World, unique } from "./kit.ts";

const minute = 60_000;

function gated(): { name: string; one: string; two: string; gate: Gate<string>; runs: string[] } {
  const [name, one, two] = [unique("flow"), unique("step"), unique("step")];
  const gate = new Gate<string>();
  const runs: string[] = [];
  const first = checkpoint(one, () => runs.push("first"));
  const second = checkpoint(two, () => {
    runs.push("second");
    return gate.pass();
  });
  flow(name, async () => {
    await first();
    return second();
  });
  return { name, one, two, gate, runs };
}

test("another owner bounces while a claim stands, and takes over when it has run out", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id, "o1");
  const before = await process.entries(id);
  expect(await process.advance(id, "o2")).toMatchObject({ kind: "end" });
  expect(await process.entries(id)).toEqual(before);
  const until = (await process.entriesOf(id, "advance"))[0]?.until ?? 0;
  world.clock.jump(until - 1);
  expect((await process.advance(id, "o2")).kind).toBe("end");
  world.clock.jump(until);
  expect((await process.advance(id, "o2")).kind).toBe("park");
});

test("the same owner takes over at once, and so does anybody from an owner that is gone", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask());
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id, "o1");
  expect((await process.advance(id, "o1")).kind).toBe("park");
  process.gone.add("o1");
  expect((await process.advance(id, "o2")).kind).toBe("park");
  expect(
    (await process.entriesOf(id, "advance")).map(({ epoch, owner }) => [epoch, owner]),
  ).toEqual([
    [1, "o1"],
    [2, "o1"],
    [3, "o2"],
  ]);
});

test("a claim does not outlive the end: another process retries at once", async () => {
  const [name, bad] = [unique("flow"), unique("bad")];
  let isBroken = true;
  const failing = checkpoint(bad, () => {
    if (isBroken) throw new Error("not yet");
    return 1;
  });
  flow(name, async () => failing());
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id, "o1");
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id, "o2")).toBe("completed");
});

test("a claim lasts until the deadline and a grace after it, or for the lease", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const now = world.clock.now();
  await process.advance(id, "o1");
  await process.advance(id, "o1", { deadline: now + 900_000 });
  expect((await process.entriesOf(id, "advance")).map((entry) => entry.until)).toEqual([
    now + 30_000 + 5000,
    now + 900_000 + 5000,
  ]);
});

test.each(["o1", "o2"])(
  "an advance that wakes after it was superseded by %s writes nothing; its late result is discarded",
  async (other) => {
    const { name, two, gate, runs } = gated();
    const world = new World({ auto: false });
    const process = world.process();
    const id = await process.start(name);
    const late = process.advance(id, "o1", { deadline: world.clock.now() + 20_000 });
    await gate.entered;
    const hung = gate.open;
    const inTime = new Gate<string>();
    gate.pass = () => inTime.pass();
    process.gone.add("o1");
    const next = process.advance(id, other);
    await inTime.entered;
    inTime.open("in time");
    await next;
    expect(await process.status(id)).toBe("completed");
    const after = world.written.length;
    hung("late");
    expect(await late).toEqual({ kind: other === "o1" ? "advance" : "end" });
    expect(world.written).toHaveLength(after);
    expect(await process.output(id)).toBe("in time");
    expect(runs).toEqual(["first", "second", "second"]);
    expect(
      (await process.entriesOf(id, "completed")).filter((e) => e.id === `${two}:0`),
    ).toHaveLength(1);
  },
);

test("two orchestrators with owners of their own: one runs, the other ends", async () => {
  const { name, gate, runs } = gated();
  const world = new World();
  const [here, there] = [world.process(), world.process()];
  const id = await here.start(name);
  const driven = here.drive(id, "o1");
  await gate.entered;
  expect(await there.drive(id, "o2")).toBe("running");
  gate.open("done");
  expect(await driven).toBe("completed");
  expect(runs).toEqual(["first", "second"]);
});

test("two orchestrators that begin at the same moment: one claim is taken, every step is recorded once", async () => {
  const { name, one, two, gate } = gated();
  gate.open("done");
  const world = new World();
  const [here, there] = [world.process(), world.process()];
  const id = await here.start(name);
  await Promise.all([here.drive(id, "o1"), there.drive(id, "o2")]);
  expect(await here.status(id)).toBe("completed");
  expect((await here.entriesOf(id, "completed")).map((entry) => entry.id)).toEqual([
    `${one}:0`,
    `${two}:0`,
  ]);
  const epochs = (await here.entriesOf(id, "advance")).map((entry) => entry.epoch);
  expect(epochs).toEqual(epochs.map((_, index) => index + 1));
});

test("a takeover that loses to another looks again instead of leaving the execution to nobody", async () => {
  const [name, question, step] = [unique("flow"), unique("ask"), unique("step")];
  const ask = wait(question);
  const work = checkpoint(step, () => "done");
  flow(name, async () => ask().then(() => work()));
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  await process.answer(id, question);
  world.intercept = async (_draft, write) => {
    world.intercept = undefined;
    await process.advance(id, "o1", { signal: AbortSignal.abort() }); // a double that claims and dies
    return write();
  };
  expect(await process.advance(id)).toMatchObject({ kind: "end" });
  expect(await process.output(id)).toBe("done");
  expect((await process.entriesOf(id, "advance")).map((entry) => entry.epoch)).toEqual([1, 2, 3]);
});

test("a fresh execution that somebody else claimed first is looked at again", async () => {
  const { name, gate, runs } = gated();
  gate.open("done");
  const world = new World();
  const here = world.process({ orchestrator: { canDrive: () => true } });
  const there = world.process();
  const id = await here.start(name);
  world.intercept = async (_draft, write) => {
    world.intercept = undefined;
    await there.advance(id, "o2", { signal: AbortSignal.abort() }); // claims and dies
    return write();
  };
  expect(await here.advance(id)).toMatchObject({ kind: "advance" });
  here.gone.add("o2");
  expect(await here.drive(id)).toBe("completed");
  expect(runs).toEqual(["first", "first", "second"]); // what ran under no claim counted for nothing
});

test("of two processes that believe an execution to be fresh, the one that loses looks again", async () => {
  const { name, one, two, gate } = gated();
  gate.open("done");
  const world = new World();
  const fresh = { orchestrator: { canDrive: () => true } };
  const [here, there] = [world.process(fresh), world.process(fresh)];
  const id = await here.start(name);
  const head = here.context.fresh.get(id);
  expect(head).toBeDefined();
  if (head !== undefined) there.context.fresh.set(id, head);
  await Promise.all([here.drive(id, "o1"), there.drive(id, "o2")]);
  await here.drive(id, "o1");
  expect(await here.status(id)).toBe("completed");
  expect((await here.entriesOf(id, "completed")).map((entry) => entry.id)).toEqual([
    `${one}:0`,
    `${two}:0`,
  ]);
  expect(await here.entriesOf(id, "started")).toHaveLength(1);
});

test.each([5000, -5000])(
  "clocks that disagree by %i ms: nobody takes over from a living owner",
  async (skewMs) => {
    const { name, gate, runs } = gated();
    const world = new World({ auto: false });
    const [here, there] = [world.process(), world.process({ skewMs })];
    const id = await here.start(name);
    const deadline = world.clock.now() + minute;
    const driven = here.advance(id, "o1", { deadline });
    await gate.entered;
    world.clock.jump(deadline - 1);
    expect(await there.advance(id, "o2")).toMatchObject({ kind: "end" });
    gate.open("done");
    await driven;
    expect(await here.drive(id)).toBe("completed");
    expect(runs.filter((run) => run === "first")).toHaveLength(1);
  },
);

test.each([5000, -5000])(
  "clocks that disagree by %i ms: sleeps and expiries end once, time never runs backwards",
  async (skewMs) => {
    const [name, question] = [unique("flow"), unique("ask")];
    const ask = wait(question, { timeout: "1m" });
    const seen: number[] = [];
    const { now } = await import("../../core/index.ts");
    flow(name, async () => {
      seen.length = 0;
      seen.push(now());
      await sleep("1m");
      seen.push(now());
      const said = await ask();
      seen.push(now());
      return said === undefined;
    });
    const world = new World();
    const [here, there] = [world.process(), world.process({ skewMs })];
    const id = await here.start(name);
    here.gone.add("o2");
    there.gone.add("o1");
    for (let turn = 0; turn < 8 && (await here.status(id)) !== "completed"; turn++) {
      await (turn % 2 === 0 ? here.drive(id, "o1") : there.drive(id, "o2"));
      world.clock.jump(world.clock.now() + minute);
    }
    expect(await here.output(id)).toBe(true);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(await here.entriesOf(id, "completed")).toHaveLength(2);
  },
);

test("a process without a deadline renews its claim while it runs; others go on bouncing", async () => {
  const { name, gate } = gated();
  const world = new World({ auto: false });
  const process = world.process();
  const id = await process.start(name);
  const driven = process.advance(id, "o1");
  await gate.entered;
  for (let time = 0; time < 40; time++) {
    await world.clock.advanceBy(3000);
    expect(await process.advance(id, "o2")).toMatchObject({ kind: "end" });
  }
  const claims = await process.entriesOf(id, "advance");
  expect(claims.filter((claim) => claim.renew === true).length).toBeGreaterThanOrEqual(6);
  expect(new Set(claims.map((claim) => claim.epoch))).toEqual(new Set([1]));
  gate.open("done");
  await driven;
  expect(await process.status(id)).toBe("completed");
});

test("an advance yields before its deadline, starts nothing new in the last tenth, and goes on after", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const world = new World();
  const starts: number[] = [];
  const work = checkpoint(step, async (x: number) => {
    starts.push(world.clock.now());
    await new Promise<void>((resolve) => {
      world.clock.schedule(3000, resolve);
    });
    return x + 1;
  });
  flow(name, async () => {
    let x = 0;
    for (let i = 0; i < 5; i++) x = await work(x);
    return x;
  });
  const process = world.process();
  const id = await process.start(name);
  const deadlines: number[] = [];
  for (let directive = "advance"; directive === "advance";) {
    const deadline = world.clock.now() + 10_000;
    deadlines.push(deadline);
    directive = (await process.advance(id, "o1", { deadline })).kind;
    expect(world.clock.now()).toBeLessThanOrEqual(deadline);
  }
  expect(await process.output(id)).toBe(5);
  expect(starts).toHaveLength(5);
  expect(deadlines.length).toBeGreaterThan(1);
  expect((await process.head(id)).view.status).toBe("completed");
});

test("a step that is still running at the deadline is left behind and tried again", async () => {
  const { name, gate, runs } = gated();
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const directive = await process.advance(id, "o1", { deadline: world.clock.now() + 10_000 });
  expect(directive).toMatchObject({ kind: "advance" });
  gate.open("late");
  expect(await process.drive(id)).toBe("completed");
  expect(runs).toEqual(["first", "second", "second"]);
});

test("a process that is told to stop keeps what has just finished", async () => {
  const { name, one, gate, runs } = gated();
  const world = new World({ auto: false });
  const process = world.process();
  const id = await process.start(name);
  const stopping = new AbortController();
  const driven = process.advance(id, "o1", { signal: stopping.signal });
  await gate.entered;
  stopping.abort();
  expect(await driven).toMatchObject({ kind: "advance" });
  expect((await process.entriesOf(id, "completed")).map((entry) => entry.id)).toEqual([`${one}:0`]);
  expect(runs).toEqual(["first", "second"]);
});

test("a process that was told to stop before starts nothing", async () => {
  const { name, runs } = gated();
  const process = new World({ auto: false }).process();
  const id = await process.start(name);
  const stopping = new AbortController();
  stopping.abort();
  expect(await process.advance(id, "o1", { signal: stopping.signal })).toMatchObject({
    kind: "advance",
  });
  expect(runs).toEqual([]);
});

test("a step that ends in the moment of the stop is recorded", async () => {
  const [name, one, two] = [unique("flow"), unique("step"), unique("step")];
  const stopping = new AbortController();
  const runs: string[] = [];
  const first = checkpoint(one, () => {
    runs.push("first");
    stopping.abort();
    return 1;
  });
  const second = checkpoint(two, () => runs.push("second"));
  flow(name, async () => {
    await first();
    await second();
  });
  const process = new World({ auto: false }).process();
  const id = await process.start(name);
  await process.advance(id, "o1", { signal: stopping.signal });
  expect((await process.entriesOf(id, "completed")).map((entry) => entry.id)).toEqual([`${one}:0`]);
  expect(await process.drive(id)).toBe("completed");
  expect(runs).toEqual(["first", "second"]);
});

test("a flow that awaits something of its own fails at the deadline, with an error that names it", async () => {
  const name = unique("flow");
  flow(name, async () => new Promise<void>(() => undefined));
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.advance(id, "o1", { deadline: world.clock.now() + 10_000 });
  expect(await process.failure(id)).toMatchObject({
    code: "usage",
    message: expect.stringContaining(`Flow "${name}" awaits something of its own`) as string,
  });
});

test("an execution whose process is gone is told as queued, though its claim still stands", async () => {
  const name = unique("flow");
  const work = checkpoint(unique("step"), () => new Promise(() => undefined));
  flow(name, async () => work());
  const process = new World({ auto: false }).process();
  const runtime = new Runtime({ stack: "memory", backend: process.context.backend });
  const executions = new Executions(async () => runtime);
  const id = await process.start(name);
  void process.advance(id);
  await expect.poll(() => process.status(id)).toBe("running");
  expect(await executions.get(id)).toMatchObject({ status: "running" });
  process.gone.add("o1");
  expect(await process.status(id)).toBe("queued");
  expect(await executions.get(id)).toMatchObject({ status: "queued" });
  expect(await executions.list({ flow: name })).toMatchObject([{ id, status: "queued" }]);
  expect(await executions.list({ flow: name, status: "running" })).toEqual([]);
});
