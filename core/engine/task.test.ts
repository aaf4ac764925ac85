import { expect, test } from "vitest";
import { World, unique } from "../../test/hazards/kit.ts";
import { checkpointContext } from "../primitives/scope.ts";
import { log, save } from "../primitives/artifact.ts";
import { checkpoint, type CheckpointOptions } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { Registry } from "./definitions.ts";
import { recordCrash, runTask, taskSort } from "./task.ts";

const isolated = { capabilities: { isolated: true } };
const once = { attempts: 1, initialDelay: 1000, jitter: false } as const;

/** An execution whose one isolated step is scheduled, and the task to run. */
async function scheduled(work: (...args: never[]) => unknown, options: CheckpointOptions = {}) {
  const [name, step] = [unique("flow"), unique("step")];
  const handle = checkpoint(step, { runtime: "isolated", ...options }, work as () => undefined);
  flow(name, async () => handle());
  const world = new World(isolated);
  const process = world.process();
  const id = await process.start(name);
  const next = async () => {
    const directive = await process.advance(id);
    const [task] = directive.kind === "tasks" ? directive.tasks : [];
    if (task === undefined) throw new Error(directive.kind);
    return task;
  };
  return { world, process, id, step, task: await next(), next };
}

test("a task runs elsewhere, and the next advance takes its outcome in", async () => {
  const { world, process, id, task, step } = await scheduled(() => {
    save("notes", "kept");
    log({ words: 2 });
    return { done: true };
  });
  expect(task).toEqual({ executionId: id, callId: `${step}:0`, attempt: 1 });
  expect((await process.head(id)).dueAt).toBe(world.clock.now() + 15 * 60_000 + 10_000);
  await runTask(process.context, task);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toEqual({ done: true });
  expect(await process.entriesOf(id, "artifact")).toMatchObject([{ name: "notes" }]);
  expect(await process.entriesOf(id, "log")).toMatchObject([{ id: `${step}:0` }]);
});

test("of two workers the first to store wins; one that comes later does not begin", async () => {
  let runs = 0;
  const { process, id, task } = await scheduled(() => ++runs);
  await Promise.all([runTask(process.context, task), runTask(process.context, task)]);
  await runTask(process.context, task);
  expect(runs).toBe(2);
  expect(await process.drive(id)).toBe("completed");
  expect(await process.output(id)).toBe(1);
  await runTask(process.context, task);
  expect(runs).toBe(2);
});

test("at most once: of two workers one begins, and a crash after that is final", async () => {
  let runs = 0;
  const { process, id, task } = await scheduled(() => ++runs, { semantics: "at-most-once" });
  await Promise.all([runTask(process.context, task), runTask(process.context, task)]);
  expect(runs).toBe(1);
  await recordCrash(process.context, task, "too late to matter");
  expect(await process.drive(id)).toBe("completed");
  const other = await scheduled(() => ++runs, { semantics: "at-most-once" });
  await recordCrash(other.process.context, other.task, "it was killed");
  expect(await other.process.drive(other.id)).toBe("failed");
  expect(await other.process.failure(other.id)).toMatchObject({
    code: "interrupted",
    message: expect.stringContaining("it was killed") as string,
  });
});

test("a crash is a failed attempt; the next one has the next number", async () => {
  const seen: number[] = [];
  const { process, id, task, next, world } = await scheduled(
    () => seen.push(checkpointContext().attempt),
    { retries: once },
  );
  await recordCrash(process.context, task, "it was killed");
  expect((await process.advance(id)).kind).toBe("tasks");
  world.clock.jump(world.clock.now() + 1000);
  const second = await next();
  expect(second.attempt).toBe(2);
  await runTask(process.context, task); // the dead one's double comes too late
  await runTask(process.context, second);
  expect(await process.drive(id)).toBe("completed");
  expect(seen).toEqual([2]);
});

test("no document after the deadline: crashed, and what its worker stores later is not looked at", async () => {
  const { world, process, id, task } = await scheduled(() => "late", { timeout: "1m" });
  world.clock.jump(world.clock.now() + 60_000 + 5000);
  expect(await process.drive(id)).toBe("failed");
  expect(await process.failure(id)).toMatchObject({ code: "crashed" });
  await runTask(process.context, task);
  expect(await process.drive(id)).toBe("failed");
});

test("at most once and no document after the deadline: interrupted", async () => {
  const { world, process, id } = await scheduled(() => 1, {
    timeout: "1m",
    semantics: "at-most-once",
  });
  world.clock.jump(world.clock.now() + 65_000);
  expect(await process.drive(id)).toBe("failed");
  expect(await process.failure(id)).toMatchObject({ code: "interrupted" });
});

test("failures: with another attempt to come, without, and of a result that cannot be stored", async () => {
  let runs = 0;
  const failing = await scheduled(
    () => {
      throw new Error(`try ${++runs}`);
    },
    { retries: once },
  );
  expect(await failing.process.drive(failing.id)).toBe("failed");
  expect(await failing.process.failure(failing.id)).toMatchObject({ message: "try 2" });
  const unstorable = await scheduled(() => () => 1, { retries: once });
  await unstorable.process.drive(unstorable.id);
  expect(await unstorable.process.failure(unstorable.id)).toMatchObject({ code: "serialization" });
});

test("a timeout and the caller's signal abort the function", async () => {
  const reasons: unknown[] = [];
  const hang = async () => {
    const { signal } = checkpointContext();
    await new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        reasons.push(signal.reason);
        reject(signal.reason as Error);
      });
    });
  };
  const slow = await scheduled(hang, { timeout: "1m" });
  await slow.process.drive(slow.id);
  expect(await slow.process.failure(slow.id)).toMatchObject({ code: "timeout" });
  const stopped = await scheduled(hang);
  const stopping = new AbortController();
  const running = runTask(stopped.process.context, stopped.task, stopping.signal);
  await expect.poll(() => stopped.world.clock.now()).toBeDefined();
  stopping.abort(new Error("going down"));
  await running;
  expect(reasons).toMatchObject([{ code: "timeout" }, { message: "going down" }]);
});

test("a worker without the code says what to import; one without the execution does nothing", async () => {
  const { world, process, task, step } = await scheduled(() => 1);
  const elsewhere = world.process({ registry: new Registry() });
  await expect(runTask(elsewhere.context, task)).rejects.toThrow(`Checkpoint "${step}" of flow`);
  await recordCrash(elsewhere.context, task, "x");
  for (const wrong of [
    { ...task, executionId: "nobody" },
    { ...task, callId: "none:0" },
    { ...task, attempt: 2 },
  ]) {
    await runTask(process.context, wrong);
    if (wrong.attempt === 1) await recordCrash(process.context, wrong, "x");
  }
  const key = { partition: `exec/${task.executionId}`, sort: taskSort(task.callId, 1) };
  expect(await world.records.get(key)).toBeUndefined();
});

test("10,000 in one map: what is still queued behind the others has not crashed", async () => {
  const [name, step] = [unique("flow"), unique("step")];
  const minute = 60_000;
  const count = 10_000;
  const work = checkpoint(step, { runtime: "isolated", timeout: "1m" }, (n: number) => n);
  flow(name, async () => {
    const settled = await work.map(
      Array.from({ length: count }, (_, n) => n),
      { settle: true },
    );
    return settled.filter(({ status }) => status === "fulfilled").length;
  });
  const world = new World(isolated);
  const process = world.process();
  const id = await process.start(name);
  const tasksLeft = async (owner?: string): Promise<number> => {
    const directive = await process.advance(id, owner);
    return directive.kind === "tasks" ? directive.tasks.length : 0;
  };
  let done = 0;
  const finish = async (some: number): Promise<void> => {
    for (const to = done + some; done < to; done++)
      await process.context.backend.records.put(
        {
          partition: `exec/${id}`,
          sort: taskSort(`${step}:${done}`, 1),
          body: JSON.stringify({
            s: world.clock.now(),
            at: world.clock.now(),
            out: await process.context.values.put(done, "a result"),
            llms: [],
            extras: [],
          }),
        },
        "absent",
      );
  };
  expect(await tasksLeft()).toBe(count);
  for (let batch = 1; batch <= 3; batch++) {
    world.clock.jump(world.clock.now() + minute);
    await finish(3000);
    world.clock.jump(world.clock.now() + minute);
    await process.sweep();
    expect(process.starts).toHaveLength(1); // as long as the queue moves, somebody is at work
  }
  expect(await tasksLeft("o2")).toBe(1000);
  await finish(999);
  world.clock.jump(world.clock.now() + minute + 11_000);
  await process.sweep();
  expect(process.starts).toHaveLength(2);
  expect(await process.drive(id, "o2")).toBe("completed");
  expect(await process.output(id)).toBe(count - 1);
}, 60_000);
