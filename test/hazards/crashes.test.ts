import { expect, test } from "vitest";
import { checkpoint, checkpointContext, flow, sleep, wait } from "../../core/index.ts";
import { KitaruBackendError } from "../../core/errors.ts";
import { type Intercept, World, unique } from "./kit.ts";

const minute = 60_000;

interface TwoSteps {
  readonly name: string;
  readonly question: string;
  readonly runs: string[];
}

/** Two steps, one of them at most once, with a wait and a sleep between them. */
function twoSteps(): TwoSteps {
  const [name, question, one, two] = [
    unique("flow"),
    unique("ask"),
    unique("step"),
    unique("step"),
  ];
  const runs: string[] = [];
  const ask = wait(question);
  const first = checkpoint(one, (x: number) => {
    runs.push("first");
    return { x: x + 1, filler: "y".repeat(200) };
  });
  const second = checkpoint(two, async (x: number) => {
    runs.push("second");
    return x * 10;
  });
  flow(name, async (x: number) => {
    const seen = await first(x);
    await ask();
    await sleep(10_000);
    return second(seen.x);
  });
  return { name, question, runs };
}

/** Live through the whole of it as often as it takes: every failure is followed by another owner's sweep. */
async function survive(world: World, { name, question }: TwoSteps): Promise<string> {
  const process = world.process();
  const id = `x-${name}`;
  for (let turn = 1; turn < 12; turn++) {
    const owner = `o${turn}`;
    try {
      await process.start(name, 1);
      await process.drive(id, owner);
      if ((await process.head(id)).view.waits !== undefined) await process.answer(id, question);
      await process.sweep();
    } catch (error) {
      if (!(error instanceof Error && error.message === "killed")) throw error;
    }
    world.clock.jump(world.clock.now() + minute);
  }
  return process.status(id);
}

test("the undisturbed run makes so many writes", async () => {
  const world = new World();
  const flowOf = twoSteps();
  expect(await survive(world, flowOf)).toBe("completed");
  expect(flowOf.runs).toEqual(["first", "second"]);
  expect(world.written.length).toBeGreaterThan(10);
});

for (const when of ["before", "after"] as const)
  test(`killed just ${when} each single write: the same result, and no recorded step runs again`, async () => {
    for (let cut = 1, isCut = true; isCut; cut++) {
      const world = new World();
      const flowOf = twoSteps();
      let writes = 0;
      isCut = false;
      world.intercept = async (_draft, write) => {
        if (++writes !== cut) return write();
        isCut = true;
        if (when === "after") await write();
        throw new Error("killed");
      };
      expect([cut, await survive(world, flowOf)]).toEqual([cut, "completed"]);
      const process = world.process();
      const id = `x-${flowOf.name}`;
      expect(await process.output(id)).toBe(20);
      for (const step of ["first", "second"])
        expect(flowOf.runs.filter((run) => run === step).length).toBeLessThanOrEqual(2);
      expect(flowOf.runs.length).toBeLessThanOrEqual(3);
      const outcomes = (await process.entriesOf(id, "completed")).map((entry) => entry.id);
      expect(outcomes).toHaveLength(4);
      expect(new Set(outcomes).size).toBe(4);
      expect(await process.entriesOf(id, "started")).toHaveLength(1);
      expect(await process.entriesOf(id, "ended")).toHaveLength(1);
      expect((await process.head(id)).dueAt).toBeUndefined();
    }
  });

test("killed after an at-most-once step began: it fails as interrupted and never runs again", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const runs: number[] = [];
  const pay = checkpoint(step, { semantics: "at-most-once" }, () => {
    runs.push(checkpointContext().attempt);
    return "paid";
  });
  flow(name, async () => pay().catch((error: Error & { code?: string }) => error.code));
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  world.intercept = (draft, write) => {
    if (draft.body.includes(`"t":"completed"`)) throw new Error("killed");
    return write();
  };
  await expect(process.drive(id)).rejects.toThrow("killed");
  world.intercept = undefined;
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe("interrupted");
  expect(runs).toEqual([1]);
});

test("killed before the start of an at-most-once step was durable: it has not run and runs once", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const runs: number[] = [];
  const pay = checkpoint(step, { semantics: "at-most-once" }, () => runs.push(1));
  flow(name, async () => pay());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  world.intercept = (draft, write) => {
    if (draft.body.includes(`"open":true`)) throw new Error("killed");
    return write();
  };
  await expect(process.drive(id)).rejects.toThrow("killed");
  expect(runs).toEqual([]);
  world.intercept = undefined;
  expect(await process.drive(id)).toBe("completed");
  expect(runs).toEqual([1]);
});

test("five advances that die without progress: failed, stalled, and the open calls are named", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  world.intercept = (draft, write) => {
    if (draft.sort === "head") throw new Error("killed");
    return write();
  };
  for (let crash = 1; crash <= 5; crash++)
    await expect(process.drive(id)).rejects.toThrow("killed");
  world.intercept = undefined;
  expect(await process.drive(id)).toBe("failed");
  expect(await process.failure(id)).toMatchObject({
    code: "stalled",
    message: expect.stringContaining(`Open calls: ${question}:0`) as string,
  });
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("waiting");
  await process.answer(id, question);
  expect(await process.drive(id)).toBe("completed");
});

test("a step that kills its process is given up after five tries, and named by what was before it", async () => {
  const [name, one, two] = [unique("flow"), unique("step"), unique("step")];
  const first = checkpoint(one, () => 1);
  const second = checkpoint(two, () => new Promise(() => undefined));
  flow(name, async () => {
    await first();
    await second();
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  for (let crash = 1; crash <= 7; crash++)
    await process.advance(id, "o1", { deadline: world.clock.now() + 5000 });
  expect(await process.failure(id)).toMatchObject({
    code: "stalled",
    message: expect.stringContaining(`It was after ${one}:0`) as string,
  });
});

test("killed between the end and the head, it is found by the sweep for what was said last", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  world.clock.jump(world.clock.now() + minute);
  await process.sweep(); // parked and well: next due at its heartbeat
  await process.answer(id, question);
  world.intercept = (draft, write) => {
    if (draft.sort === "head") throw new Error("killed");
    return write();
  };
  await expect(process.drive(id)).rejects.toThrow("killed");
  world.intercept = undefined;
  const heartbeat = (await process.head(id)).dueAt ?? 0;
  world.clock.jump(world.clock.now() + minute);
  expect(heartbeat).toBeGreaterThan(world.clock.now());
  expect(await process.sweep()).toBe(1);
  expect(process.starts.at(-1)).toMatchObject({ executionId: id, generation: 2 });
  await process.drive(id);
  expect((await process.head(id)).view.status).toBe("completed");
});

/** The journal takes claims and nothing else, as a store does that fails every now and then. */
async function outage(isEverythingDown: boolean) {
  const [name, step] = [unique("flow"), unique("step")];
  const runs: number[] = [];
  const work = checkpoint(step, () => runs.push(1));
  flow(name, async () => work());
  const world = new World();
  const id = await world.process().start(name);
  const fail: Intercept = (draft, write) => {
    const isClaim = draft.body.trimEnd().split("\n").at(-1)?.includes('"t":"advance"') === true;
    if (isClaim || (!isEverythingDown && draft.sort === "head")) return write();
    throw new KitaruBackendError("DynamoDB could not write the table: it was throttled.");
  };
  return { world, id, fail };
}

test("an outage of the store that lasts over many advances does not end the execution", async () => {
  const { world, id, fail } = await outage(true);
  const process = world.process();
  world.intercept = fail;
  for (let failed = 1; failed <= 12; failed++)
    await expect(process.advance(id)).rejects.toThrow("throttled");
  world.intercept = undefined;
  expect(await process.drive(id)).toBe("completed");
});

test("nor where each advance is in another process, and the store takes a word of it now and then", async () => {
  const { world, id, fail } = await outage(false);
  world.intercept = fail;
  for (let failed = 1; failed <= 12; failed++)
    await expect(world.process().advance(id)).rejects.toThrow("throttled");
  const { view, dueAt } = await world.process().head(id);
  expect(view).toMatchObject({ outage: 12, status: "running" });
  expect(dueAt).toBeGreaterThan(world.clock.now());
  world.intercept = undefined;
  expect(await world.process().drive(id)).toBe("completed");
});

test("nor where the claims themselves are written by writes that are reported as failed", async () => {
  const { world, id } = await outage(true);
  const process = world.process();
  world.intercept = async (draft, write) => {
    if (draft.sort.startsWith("j/")) await write();
    throw new KitaruBackendError("DynamoDB could not write the table: it was throttled.");
  };
  for (let failed = 1; failed <= 8; failed++) {
    await expect(process.advance(id)).rejects.toThrow("throttled");
    expect((await process.entriesOf(id, "advance")).length).toBe(failed);
  }
  world.intercept = undefined;
  expect(await process.drive(id)).toBe("completed");
});

test("after an outage, five advances that die without progress still end it", async () => {
  const { world, id, fail } = await outage(true);
  const process = world.process();
  world.intercept = fail;
  for (let failed = 1; failed <= 4; failed++)
    await expect(process.advance(id)).rejects.toThrow("throttled");
  world.intercept = (draft, write) => {
    if (draft.body.includes('"t":"completed"')) throw new Error("killed");
    return write();
  };
  for (let crash = 1; crash <= 5; crash++)
    await expect(process.advance(id)).rejects.toThrow("killed");
  await process.advance(id);
  expect(await process.failure(id)).toMatchObject({ code: "stalled" });
});

test("heartbeats and spurious wakes never count as crashes", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  for (let wake = 0; wake < 12; wake++) {
    expect(await process.drive(id)).toBe("waiting");
    world.clock.jump(world.clock.now() + 86_400_000);
  }
});

test("four crashes and one that makes progress start the count anew", async () => {
  const [name, one, two] = [unique("flow"), unique("step"), unique("step")];
  let isDying = true;
  const first = checkpoint(one, () => 1);
  const second = checkpoint(two, () => (isDying ? new Promise(() => undefined) : 2));
  flow(name, async () => {
    await first();
    await second();
    isDying = true;
    await second();
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const advance = () => process.advance(id, "o1", { deadline: world.clock.now() + 5000 });
  for (let crash = 1; crash <= 4; crash++) await advance();
  isDying = false;
  await advance(); // the second step is recorded, the third dies
  for (let crash = 1; crash <= 5; crash++) await advance();
  expect(await process.failure(id)).toBeUndefined();
  await advance();
  expect(await process.failure(id)).toMatchObject({ code: "stalled" });
});

test("isolated attempts that take several looks are no crashes", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const work = checkpoint(step, { runtime: "isolated" }, () => "done");
  flow(name, async () => work());
  const process = new World({ capabilities: { isolated: true } }).process();
  const id = await process.start(name);
  for (let look = 0; look < 8; look++) expect((await process.advance(id)).kind).toBe("tasks");
  expect(await process.drive(id)).toBe("completed");
});
