import { expect, test } from "vitest";
import { memoryBackend } from "./backend.ts";
import { Process, isWrite } from "./process.ts";

const key = { partition: "p", sort: "s" };

test("what a killed process does takes no effect, and what it awaits never comes", async () => {
  const shared = memoryBackend();
  const process = new Process("one");
  const { records, blobs } = process.view(shared, shared.orchestrator);
  expect(await records.put({ ...key, body: "1" }, "absent")).toMatchObject({ ok: true });
  const inFlight = records.get(key);
  process.kill();
  const told: string[] = [];
  void inFlight.then(() => told.push("in flight"));
  void records.put({ ...key, sort: "t", body: "2" }, "absent").then(() => told.push("put"));
  void blobs.put("b", new Uint8Array(), { contentType: "" }).then(() => told.push("blob"));
  void process.run(() => Promise.reject(new Error("never heard"))).catch(() => told.push("error"));
  await process.died;
  await shared.clock.settle();
  expect(told).toEqual([]);
  expect(await shared.records.get({ ...key, sort: "t" })).toBeUndefined();
  expect(await shared.blobs.get("b")).toBeUndefined();
});

test("an error that arrives after the death of its process is not heard either", async () => {
  const process = new Process("one");
  const told: string[] = [];
  const failing = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    throw new Error("late");
  };
  void process.run(failing).catch(() => told.push("error"));
  process.kill();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect([told, process.isAlive]).toEqual([[], false]);
});

test("timers of a killed process do not fire, and a process' clock may be off", async () => {
  const { clock } = memoryBackend();
  const process = new Process("one");
  const own = process.clock(clock, 2000);
  expect(own.now() - clock.now()).toBe(2000);
  const fired: string[] = [];
  own.schedule(10, () => fired.push("before"));
  own.schedule(20, () => fired.push("cancelled"))();
  own.schedule(30, () => fired.push("after"));
  await clock.advanceBy(15);
  process.kill();
  await clock.advanceBy(60);
  expect(fired).toEqual(["before"]);
});

test("every use of the stores goes through who stands between", async () => {
  const shared = memoryBackend();
  const seen: string[] = [];
  const { records, blobs } = new Process("one").view(shared, shared.orchestrator, {
    around: (operation, run) => {
      seen.push(`${isWrite(operation) ? "write" : "read"} ${operation.store} ${operation.verb}`);
      return run();
    },
  });
  const put = await records.put({ ...key, body: "1" }, "absent");
  if (!put.ok) throw new Error("it was there");
  await records.get(key);
  await records.list({ partition: "p", from: "a" });
  await records.list({ partition: "p" });
  await records.listIndex("due", { partition: "p", from: "a" });
  await records.listIndex("due", { partition: "p" });
  await records.delete(key, put.version);
  await blobs.put("b", new Uint8Array(), { contentType: "" });
  await blobs.get("b");
  await blobs.list({ prefix: "" });
  expect(seen).toEqual([
    "write records put",
    "read records get",
    "read records list",
    "read records list",
    "read records listIndex",
    "read records listIndex",
    "write records delete",
    "write blobs put",
    "read blobs get",
    "read blobs list",
  ]);
});
