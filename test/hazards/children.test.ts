import { expect, test } from "vitest";
import { z } from "zod";
import { checkpoint, flow, wait } from "../../core/index.ts";
import { Gate, type Process, World, unique } from "./kit.ts";

/** Drive parent and children in turns until none of them moves any more. */
async function driveAll(process: Process, ...ids: readonly string[]): Promise<string[]> {
  for (let round = 0; round < 4; round++)
    for (const id of ids)
      if (
        (await process.context.backend.records.get({ partition: `exec/${id}`, sort: "head" })) !==
        undefined
      )
        await process.drive(id);
  return Promise.all(ids.map((id) => process.status(id)));
}

/** Have what `run` does fail at its first write to an execution, as a kill there would. */
async function killedAtWrite(
  world: World,
  executionId: string,
  run: () => Promise<unknown>,
): Promise<void> {
  world.intercept = (draft, write) => {
    if (draft.partition === `exec/${executionId}`) throw new Error("killed");
    return write();
  };
  await expect(run()).rejects.toThrow("killed");
  world.intercept = undefined;
}

interface Beside {
  /** How often the parent's own checkpoint fails. */
  readonly failures: number;
  readonly retries?: number;
  /** What the child does; asks, unless told otherwise. */
  readonly body?: (ask: () => Promise<string>) => Promise<string>;
}

/** A parent with a child that asks, and a checkpoint beside it that fails once the child has come to rest. */
async function besideFailure({ failures, retries = 0, body = (ask) => ask() }: Beside) {
  const [name, inner, question] = [unique("flow"), unique("child"), unique("ask")];
  const ask = wait(question, { schema: z.string() });
  const gate = new Gate();
  let left = failures;
  const child = flow(inner, async () => body(() => ask()));
  const failing = checkpoint(unique("bad"), async () => {
    await gate.pass();
    if (left-- > 0) throw new Error("not yet");
    return "mended";
  });
  flow(name, { retries }, async () => Promise.all([child.call(), failing()]));
  const process = new World().process();
  const id = await process.start(name);
  const childId = `${id}/${inner}:0`;
  const driven = process.drive(id);
  await expect.poll(() => process.starts, { interval: 1 }).toHaveLength(2);
  await process.drive(childId);
  gate.open();
  const answerChild = async (): Promise<void> => {
    await process.answer(childId, question, "child");
    expect(await driveAll(process, childId, id)).toEqual(["completed", "completed"]);
    expect(await process.output(id)).toEqual(["child", "mended"]);
  };
  return { process, id, childId, status: await driven, answerChild };
}

test("a child runs under an id of its parent's call, and its end is the call's outcome", async () => {
  const [name, inner] = [unique("flow"), unique("child")];
  const child = flow(inner, async (x: number) => x * 2);
  flow(name, async (x: number) => (await child.call(x)) + 1);
  const process = new World().process();
  const id = await process.start(name, 4);
  expect(await process.drive(id)).toBe("waiting");
  expect(process.starts.map((start) => start.executionId)).toEqual([id, `${id}/${inner}:0`]);
  await process.drive(`${id}/${inner}:0`);
  expect((await process.inbox(id)).items).toMatchObject([{ kind: "child", call: `${inner}:0` }]);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe(9);
});

test("a lost notice of a child's end heals at the parent's next look", async () => {
  const [name, inner] = [unique("flow"), unique("child")];
  const child = flow(inner, async () => "done");
  flow(name, async () => child.call());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  world.intercept = (draft, write) =>
    draft.partition === `exec/${id}` ? { ok: true, version: "lost" } : write();
  await process.drive(`${id}/${inner}:0`);
  world.intercept = undefined;
  expect((await process.inbox(id)).items).toEqual([]);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe("done");
});

test("a child whose notice fails stays due until its parent has been told", async () => {
  const [name, inner] = [unique("flow"), unique("child")];
  const child = flow(inner, async () => "done");
  flow(name, async () => child.call());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  const childId = `${id}/${inner}:0`;
  world.intercept = (draft, write) => {
    if (draft.partition === `exec/${id}`) throw new Error("unreachable");
    return write();
  };
  await expect(process.drive(childId)).rejects.toThrow("unreachable");
  world.intercept = undefined;
  expect((await process.head(childId)).dueAt).toBeDefined();
  world.clock.jump(world.clock.now() + 60_000);
  await process.sweep();
  expect(process.starts.at(-1)).toMatchObject({ executionId: childId, generation: 2 });
  await process.drive(childId);
  expect((await process.head(childId)).dueAt).toBeUndefined();
  await process.drive(id);
  expect(await process.output(id)).toBe("done");
});

test("a parent killed between scheduling a child and starting it starts it later, once", async () => {
  const [name, inner] = [unique("flow"), unique("child")];
  const child = flow(inner, async () => "done");
  flow(name, async () => child.call());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const childId = `${id}/${inner}:0`;
  await killedAtWrite(world, childId, () => process.drive(id));
  await process.drive(id);
  await process.drive(childId);
  expect(await process.drive(id)).toBe("completed");
  expect(process.starts.filter((start) => start.executionId === childId)).toHaveLength(1);
});

test("a child that was never started is, though the advance after the kill gave way at once and an answer came", async () => {
  const [name, inner, ask] = [unique("flow"), unique("child"), unique("ask")];
  const child = flow(inner, async () => "done");
  const asked = wait(ask, { schema: z.string() });
  flow(name, async () => Promise.all([asked(), child.call()]));
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const childId = `${id}/${inner}:0`;
  await killedAtWrite(world, childId, () => process.drive(id));
  const gaveWay = await process.advance(id, undefined, { deadline: world.clock.now() });
  expect(gaveWay).toMatchObject({ kind: "advance" });
  await process.signal(id, { kind: "answer", target: ask, value: "yes" });
  await process.drive(id);
  await process.drive(childId);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual(["yes", "done"]);
});

test("a failed child fails its call with the child's error; retrying the parent retries the child", async () => {
  const [name, inner, step] = [unique("flow"), unique("child"), unique("step")];
  let isBroken = true;
  const runs: string[] = [];
  const before = checkpoint(unique("before"), () => runs.push("before"));
  const work = checkpoint(step, () => {
    runs.push("work");
    if (isBroken) throw new TypeError("not yet");
    return "mended";
  });
  const child = flow(inner, async () => {
    await before();
    return work();
  });
  flow(name, async () => child.call());
  const process = new World().process();
  const id = await process.start(name);
  const childId = `${id}/${inner}:0`;
  expect(await driveAll(process, id, childId)).toEqual(["failed", "failed"]);
  expect(await process.failure(id)).toMatchObject({ name: "TypeError", message: "not yet" });
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  expect(await driveAll(process, id, childId)).toEqual(["completed", "completed"]);
  expect(await process.output(id)).toBe("mended");
  expect(runs).toEqual(["before", "work", "work"]);
});

test("a retry of a failed child survives a crash between its two writes", async () => {
  const [name, inner, step] = [unique("flow"), unique("child"), unique("step")];
  let isBroken = true;
  const work = checkpoint(step, () => {
    if (isBroken) throw new TypeError("not yet");
    return "mended";
  });
  const child = flow(inner, async () => work());
  flow(name, async () => child.call());
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const childId = `${id}/${inner}:0`;
  expect(await driveAll(process, id, childId)).toEqual(["failed", "failed"]);
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  await killedAtWrite(world, childId, () => process.drive(id));
  expect(await driveAll(process, id, childId)).toEqual(["completed", "completed"]);
});

test("a child that threw an error of its own fails its call again", async () => {
  const [name, inner] = [unique("flow"), unique("child")];
  let runs = 0;
  const child = flow(inner, async () => {
    runs++;
    throw new Error("own");
  });
  flow(name, async () => child.call());
  const process = new World().process();
  const id = await process.start(name);
  const childId = `${id}/${inner}:0`;
  expect(await driveAll(process, id, childId)).toEqual(["failed", "failed"]);
  await process.signal(id, { kind: "retry" });
  expect(await driveAll(process, id, childId)).toEqual(["failed", "failed"]);
  expect(runs).toBe(1);
});

test("an input that does not fit the child's schema fails the call", async () => {
  const [name, inner] = [unique("flow"), unique("child")];
  const child = flow(inner, { input: z.object({ n: z.number() }) }, async ({ n }) => n);
  flow(name, async () =>
    child.call({ n: "one" } as never).catch((error: Error & { code?: string }) => error.code),
  );
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe("usage");
});

test("cancelling a parent cancels its open child once, and the child's finally blocks run", async () => {
  const [name, inner, question, step] = [
    unique("flow"),
    unique("child"),
    unique("ask"),
    unique("step"),
  ];
  const ask = wait(question);
  let cleaned = 0;
  const tidy = checkpoint(step, () => ++cleaned);
  const child = flow(inner, async () => {
    try {
      await ask();
    } finally {
      await tidy();
    }
  });
  flow(name, async () => child.call());
  const process = new World().process();
  const id = await process.start(name);
  const childId = `${id}/${inner}:0`;
  expect(await driveAll(process, id, childId)).toEqual(["waiting", "waiting"]);
  await process.signal(id, { kind: "cancel" });
  expect(await process.drive(id)).toBe("cancelled");
  await process.drive(id); // a spurious wake says nothing twice
  expect((await process.inbox(childId)).items).toMatchObject([{ kind: "cancel" }]);
  expect(await process.drive(childId)).toBe("cancelled");
  expect(cleaned).toBe(1);
});

test("two cancels found at once still cancel an open child", async () => {
  const [name, inner, question] = [unique("flow"), unique("child"), unique("ask")];
  const ask = wait(question);
  const child = flow(inner, async () => ask());
  flow(name, async () => child.call());
  const process = new World().process();
  const id = await process.start(name);
  const childId = `${id}/${inner}:0`;
  await driveAll(process, id, childId);
  await process.signal(id, { kind: "cancel" });
  await process.signal(id, { kind: "cancel" });
  expect(await driveAll(process, id, childId)).toEqual(["cancelled", "cancelled"]);
});

test("a child that was cancelled twice fails its call as cancelled, told or found", async () => {
  for (const isTold of [true, false]) {
    const [name, inner, question] = [unique("flow"), unique("child"), unique("ask")];
    const ask = wait(question);
    const child = flow(inner, async () => ask());
    flow(name, async () => child.call());
    const world = new World();
    const process = world.process();
    const id = await process.start(name);
    const childId = `${id}/${inner}:0`;
    await driveAll(process, id, childId);
    await process.signal(childId, { kind: "cancel" });
    await process.signal(childId, { kind: "cancel" });
    if (!isTold)
      world.intercept = (draft, write) =>
        draft.partition === `exec/${id}` ? { ok: true, version: "lost" } : write();
    await process.drive(childId);
    world.intercept = undefined;
    expect(await process.drive(id)).toBe("failed");
    expect(await process.failure(id)).toMatchObject({
      code: "cancelled",
      message: `Execution ${childId} was cancelled.`,
    });
  }
});

test("children that are open when the parent ends are cancelled first", async () => {
  const [name, inner, question, step] = [
    unique("flow"),
    unique("child"),
    unique("ask"),
    unique("step"),
  ];
  const ask = wait(question);
  const quick = checkpoint(step, () => "quick");
  const child = flow(inner, async () => ask());
  flow(name, async () => {
    const first = await quick();
    void child.call();
    await quick();
    return first;
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const childId = `${id}/${inner}:0`;
  expect(await process.drive(id)).toBe("completed");
  expect(await process.drive(childId)).toBe("cancelled");
  const order = world.written.map((draft) => `${draft.partition} ${draft.sort}`);
  const ended = world.written.findIndex((draft) => draft.body.includes(`"t":"ended"`));
  expect(order.indexOf(`exec/${childId} inbox`)).toBeLessThan(ended);
});

test("a flow's own retries leave open children alone", async () => {
  const { status, answerChild } = await besideFailure({ failures: 1, retries: 1 });
  expect(status).toBe("waiting");
  await answerChild();
});

test("a parent retried by hand takes up the children it had cancelled when it failed", async () => {
  const runs: string[] = [];
  const before = checkpoint(unique("before"), () => runs.push("before"));
  const tidy = checkpoint(unique("tidy"), () => runs.push("tidy"));
  const { process, id, childId, status, answerChild } = await besideFailure({
    failures: 1,
    body: async (ask) => {
      await before();
      try {
        return await ask();
      } finally {
        await tidy();
      }
    },
  });
  expect(status).toBe("failed");
  expect(await process.drive(childId)).toBe("cancelled");
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("waiting");
  expect((await process.inbox(childId)).items).toMatchObject([
    { kind: "cancel" },
    { kind: "retry" },
  ]);
  expect(await process.drive(childId)).toBe("waiting");
  await answerChild();
  expect(runs).toEqual(["before", "tidy", "tidy"]);
});

/** A parent cancelled while an advance of it is held up just before it starts the child; that then goes on. */
async function startedLate(options: ConstructorParameters<typeof World>[0] = {}) {
  const [name, inner, step] = [unique("flow"), unique("child"), unique("step")];
  const runs: string[] = [];
  const work = checkpoint(step, () => runs.push("work"));
  const child = flow(inner, async () => {
    await work();
    await work();
  });
  flow(name, async () => child.call());
  const world = new World({ ...options, auto: false });
  const process = world.process({ orchestrator: { canDrive: () => true } });
  const id = await process.start(name);
  const childId = `${id}/${inner}:0`;
  const gate = new Gate();
  world.intercept = async (draft, write) => {
    if (draft.partition === `exec/${childId}` && draft.sort === "head") {
      world.intercept = undefined;
      await gate.pass();
    }
    return write();
  };
  const frozen = process.advance(id);
  await gate.entered;
  world.clock.jump(world.clock.now() + 60_000);
  await process.signal(id, { kind: "cancel" });
  expect(await process.drive(id, "o2")).toBe("cancelled");
  gate.open();
  await frozen;
  return { process, id, childId, runs };
}

test("a child that a superseded advance starts after its parent was cancelled is cancelled itself", async () => {
  const { process, childId, runs } = await startedLate();
  expect(process.starts.at(-1)).toMatchObject({ executionId: childId });
  expect(await process.drive(childId)).toBe("cancelled");
  expect(runs).toEqual([]);
});

test("so is one that another process drives", async () => {
  const { process, childId, runs } = await startedLate();
  process.context.fresh.clear();
  expect(await process.drive(childId)).toBe("cancelled");
  expect(runs).toEqual([]);
});

test("a child whose cancel is not over when its parent is retried makes that look again", async () => {
  const { process, id, childId, status, answerChild } = await besideFailure({ failures: 1 });
  expect(status).toBe("failed");
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("waiting");
  expect(await process.drive(childId)).toBe("cancelled");
  expect((await process.inbox(id)).items).toMatchObject([{ kind: "child", cancelled: true }]);
  expect(process.woken.at(-1)).toBe("o1");
  expect(await process.drive(id)).toBe("waiting");
  expect(await process.drive(childId)).toBe("waiting");
  await answerChild();
});

test("a parent that fails again while its child still cancels does not end that at once", async () => {
  const { process, id, childId, status, answerChild } = await besideFailure({ failures: 2 });
  expect(status).toBe("failed");
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("failed");
  expect((await process.inbox(childId)).items).toMatchObject([
    { i: "parent:0", kind: "cancel" },
    { i: "parent:1", kind: "cancel" },
  ]);
  expect(await process.drive(childId)).toBe("cancelled");
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("waiting");
  expect(await process.drive(childId)).toBe("waiting");
  await answerChild();
});

test("a child that its parent had cancelled before it was ever started runs once that is retried", async () => {
  const [name, inner, bad] = [unique("flow"), unique("child"), unique("bad")];
  let isBroken = true;
  const child = flow(inner, async () => "child");
  const failing = checkpoint(bad, async () => {
    if (isBroken) throw new Error("not yet");
    return "mended";
  });
  flow(name, async () => Promise.all([child.call(), failing()]));
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  const childId = `${id}/${inner}:0`;
  await killedAtWrite(world, childId, () => process.advance(id)); // the call is scheduled
  expect(await process.drive(id)).toBe("failed");
  expect((await process.inbox(childId)).items).toMatchObject([{ i: "parent:0", kind: "cancel" }]);
  isBroken = false;
  await process.signal(id, { kind: "retry" });
  expect(await process.drive(id)).toBe("waiting");
  expect((await process.inbox(childId)).items).toEqual([]);
  expect(await driveAll(process, childId, id)).toEqual(["completed", "completed"]);
  expect(await process.output(id)).toEqual(["child", "mended"]);
});
