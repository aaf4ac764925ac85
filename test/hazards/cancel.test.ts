import { expect, test } from "vitest";
import { checkpoint, checkpointContext, flow, llm, sleep, wait } from "../../core/index.ts";
import { Gate, World, unique } from "./kit.ts";

test("queued: nothing of the flow runs beyond its first call, and it ends cancelled", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const runs: string[] = [];
  const work = checkpoint(step, () => runs.push("step"));
  flow(name, async () => {
    await work();
    await work();
  });
  const process = new World().process();
  const id = await process.start(name);
  expect(await process.status(id)).toBe("queued");
  await process.signal(id, { kind: "cancel" });
  expect(await process.drive(id)).toBe("cancelled");
  expect(runs).toEqual([]);
});

test("running: the signal of the running checkpoint aborts, the call throws, finally runs its checkpoints", async () => {
  const [name, slow, clean] = [unique("flow"), unique("slow"), unique("clean")];
  const gate = new Gate<string>();
  const seen: unknown[] = [];
  const work = checkpoint(slow, () => {
    checkpointContext().signal.addEventListener("abort", () => seen.push("aborted"));
    return gate.pass();
  });
  const tidy = checkpoint(clean, () => seen.push("cleaned"));
  flow(name, async () => {
    try {
      await work();
    } catch (error) {
      seen.push((error as { code?: string }).code);
      throw error;
    } finally {
      await tidy();
    }
  });
  const process = new World().process();
  const id = await process.start(name);
  const driven = process.drive(id);
  await gate.entered;
  await process.signal(id, { kind: "cancel" });
  expect(await driven).toBe("cancelled");
  expect(seen).toEqual(["aborted", "cancelled", "cleaned"]);
  expect(await process.entriesOf(id, "completed")).toMatchObject([{ id: `${clean}:0` }]);
});

test("running: a poke makes it look into the inbox at once", async () => {
  const [name, slow] = [unique("flow"), unique("slow")];
  const gate = new Gate();
  const work = checkpoint(slow, () => gate.pass());
  flow(name, async () => work());
  const process = new World({ auto: false }).process();
  const id = await process.start(name);
  let poke: (() => void) | undefined;
  const driven = process.advance(id, "o1", {
    onRunning: (given) => {
      poke = given;
    },
  });
  await gate.entered;
  await process.signal(id, { kind: "cancel" });
  poke?.();
  expect(await driven).toMatchObject({ kind: "end" });
  expect(await process.status(id)).toBe("cancelled");
});

test("cancelled twice before the first advance has written anything: its journal ends with the end", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const runs: string[] = [];
  const work = checkpoint(step, () => runs.push("step"));
  const once = checkpoint(unique("once"), { semantics: "at-most-once" }, () => runs.push("once"));
  flow(name, async () => Promise.all([work(), once()]));
  const process = new World().process({ orchestrator: { canDrive: () => true } });
  const id = await process.start(name); // the next advance does not read it: nobody can know of it yet
  await process.signal(id, { kind: "cancel" });
  await process.signal(id, { kind: "cancel" });
  const directive = await process.advance(id, "o1", { onRunning: (poke) => poke() });
  expect(directive).toMatchObject({ kind: "end", ended: { status: "cancelled" } });
  expect((await process.entries(id)).at(-1)?.t).toBe("ended");
  expect(await process.status(id)).toBe("cancelled");
  expect(runs).toEqual(["step"]); // nothing is begun that must be recorded first
});

test("waiting: the wait throws cancelled, whatever the flow returns it ends cancelled", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  flow(name, async () => ask().catch((error: Error & { code?: string }) => error.code));
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  await process.signal(id, { kind: "cancel" });
  expect(process.woken).toEqual(["o1"]);
  expect(await process.drive(id)).toBe("cancelled");
  expect(await process.output(id)).toBeUndefined();
  expect(await process.failure(id)).toMatchObject({ code: "cancelled" });
});

test("while cancelling, waits, sleeps, child flows and llm() throw at once and checkpoints run", async () => {
  const [name, child] = [unique("flow"), unique("child")];
  const [question, step] = [unique("ask"), unique("step")];
  const ask = wait(question);
  const work = checkpoint(step, (what: string) => what);
  const other = flow(child, async () => 1);
  const seen: unknown[] = [];
  const codeOf = (error: Error & { code?: string }) => error.code;
  flow(name, async () => {
    await ask().catch(() => undefined);
    seen.push(await ask().catch(codeOf));
    seen.push(await sleep("1h").catch(codeOf));
    seen.push(await other.call().catch(codeOf));
    seen.push(await llm("Go on?", { model: "offline/extract" }).catch(codeOf));
    seen.push(await work("ran"));
  });
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  await process.signal(id, { kind: "cancel" });
  expect(await process.drive(id)).toBe("cancelled");
  expect(seen).toEqual(["cancelled", "cancelled", "cancelled", "cancelled", "ran"]);
});

test("an advance killed while cancelling goes on cancelling and repeats nothing", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const [one, two] = [unique("step"), unique("step")];
  const ask = wait(question);
  const runs: string[] = [];
  const first = checkpoint(one, () => runs.push("first"));
  const second = checkpoint(two, () => runs.push("second"));
  flow(name, async () => {
    try {
      await ask();
    } finally {
      await first();
      await second();
    }
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  await process.signal(id, { kind: "cancel" });
  world.intercept = (draft, write) => {
    if (draft.body.includes(`"${two}:0"`)) throw new Error("killed");
    return write();
  };
  await expect(process.drive(id)).rejects.toThrow("killed");
  world.intercept = undefined;
  expect(await process.drive(id)).toBe("cancelled");
  expect(runs).toEqual(["first", "second", "second"]);
});

test("a second cancel ends without any more user code", async () => {
  const [name, question, step] = [unique("flow"), unique("ask"), unique("step")];
  const ask = wait(question);
  const gate = new Gate();
  const seen: string[] = [];
  const work = checkpoint(step, () => gate.pass());
  flow(name, async () => {
    try {
      await ask();
    } finally {
      await work();
      seen.push("after");
    }
  });
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  await process.signal(id, { kind: "cancel" });
  const driven = process.drive(id);
  await gate.entered;
  await process.signal(id, { kind: "cancel" });
  expect(await driven).toBe("cancelled");
  gate.open();
  await process.drive(id);
  expect(seen).toEqual([]);
  expect(await process.entriesOf(id, "ended")).toHaveLength(1);
});

test("two cancels found at once end at once", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  let isCaught = false;
  flow(name, async () => ask().finally(() => (isCaught = true)));
  const process = new World().process();
  const id = await process.start(name);
  await process.drive(id);
  await process.signal(id, { kind: "cancel" });
  await process.signal(id, { kind: "cancel" });
  expect(await process.drive(id)).toBe("cancelled");
  expect(isCaught).toBe(false);
});

test("of an ended execution: a state error that names its status", async () => {
  const name = unique("flow");
  flow(name, async (how: string) => {
    if (how === "failed") throw new Error("own");
  });
  const process = new World().process();
  for (const how of ["completed", "failed", "cancelled"]) {
    const id = await process.start(name, how, `${name}-${how}`);
    if (how === "cancelled") {
      await process.signal(id, { kind: "cancel" });
      await process.signal(id, { kind: "cancel" });
    }
    expect(await process.drive(id)).toBe(how);
    await expect(process.signal(id, { kind: "cancel" })).rejects.toMatchObject({
      code: "state",
      message: expect.stringContaining(`it has ended (${how})`) as string,
    });
  }
  await expect(process.signal("nobody", { kind: "cancel" })).rejects.toMatchObject({
    code: "not_found",
  });
});

test("a cancel whose write was applied and whose reply was lost is one cancel", async () => {
  const [name, question] = [unique("flow"), unique("ask")];
  const ask = wait(question);
  let isCaught = false;
  flow(name, async () => ask().finally(() => (isCaught = true)));
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  world.intercept = async (_draft, write) => {
    await write();
    return { ok: false };
  };
  await process.signal(id, { kind: "cancel" });
  world.intercept = undefined;
  expect((await process.inbox(id)).items).toHaveLength(1);
  expect(await process.drive(id)).toBe("cancelled");
  expect(isCaught).toBe(true);
});

test("an at-most-once step that was cancelled before it began never begins", async () => {
  const [name, question, once] = [unique("flow"), unique("ask"), unique("once")];
  const ask = wait(question);
  const runs: string[] = [];
  const pay = checkpoint(once, { semantics: "at-most-once" }, () => runs.push("paid"));
  flow(name, async () => {
    await ask();
    await pay();
  });
  const world = new World();
  const process = world.process();
  const id = await process.start(name);
  await process.drive(id);
  await process.answer(id, question);
  let poke: (() => void) | undefined;
  // the cancel arrives while the entry that claims the attempt is on its way
  world.intercept = async (draft, write) => {
    if (!draft.body.includes(`"open":true`)) return write();
    world.intercept = undefined;
    return write();
  };
  await process.signal(id, { kind: "cancel" });
  await process.advance(id, "o1", { onRunning: (given) => (poke = given) });
  poke?.();
  expect(await process.status(id)).toBe("cancelled");
  expect(runs).toEqual([]);
});

test("a map that is under way begins nothing more, also one that settles; one that tidies up runs to its end", async () => {
  const [name, slow, clean] = [unique("flow"), unique("slow"), unique("clean")];
  const gate = new Gate();
  const runs: string[] = [];
  const work = checkpoint(slow, async (x: number) => {
    runs.push(`begun ${x}`);
    if (x === 2) await gate.pass();
    return x;
  });
  const tidy = checkpoint(clean, (x: number) => runs.push(`tidied ${x}`));
  let seen: unknown[] = [];
  flow(name, async () => {
    const items = [1, 2, 3, 4, 5];
    const settled = await work.map(items, { concurrency: 1, settle: true });
    seen = settled.map((one) => ("value" in one ? one.value : (one.reason as Error).name));
    await tidy.map(items, { concurrency: 2 });
    await tidy.map(items, { concurrency: 2, settle: true });
  });
  const process = new World().process();
  const id = await process.start(name);
  const driven = process.drive(id);
  await gate.entered;
  await process.signal(id, { kind: "cancel" });
  expect(await driven).toBe("cancelled");
  expect(runs.filter((run) => run.startsWith("begun"))).toEqual(["begun 1", "begun 2"]);
  expect(runs.filter((run) => run.startsWith("tidied"))).toHaveLength(10);
  expect(seen).toEqual([1, ...Array.from({ length: 4 }, () => "KitaruCancelledError")]);
});

test("what listens to the signal of a checkpoint is in the checkpoint", async () => {
  const [name, slow] = [unique("flow"), unique("slow")];
  const gate = new Gate();
  const seen: unknown[] = [];
  const work = checkpoint(slow, () => {
    checkpointContext().signal.addEventListener("abort", () => {
      try {
        seen.push(checkpointContext().callId);
      } catch (error) {
        seen.push(error);
      }
    });
    return gate.pass();
  });
  flow(name, async () => work());
  const process = new World().process();
  const id = await process.start(name);
  const driven = process.drive(id);
  await gate.entered;
  await process.signal(id, { kind: "cancel" });
  expect(await driven).toBe("cancelled");
  expect(seen).toEqual([`${slow}:0`]);
});
