import { describe, expect, test } from "vitest";
import { virtualClock } from "./clock.ts";

describe("a virtual clock", () => {
  test("stands still until it is moved, then fires what is due in order", async () => {
    const clock = virtualClock({ startAt: 0 });
    const fired: string[] = [];
    clock.schedule(2000, () => fired.push(`b at ${clock.now()}`));
    clock.schedule(1000, () => fired.push(`a at ${clock.now()}`));
    clock.schedule(9000, () => fired.push("late"));
    expect(clock.next).toBe(1000);
    await clock.advanceBy("3s");
    expect(fired).toEqual(["a at 1000", "b at 2000"]);
    expect(clock.now()).toBe(3000);
    await expect(clock.advanceTo(2000)).rejects.toThrow("is not a time after the clock's own");
  });

  test("lets what a timer sets in motion come to rest before the next one fires", async () => {
    const clock = virtualClock({ startAt: 0 });
    const seen: string[] = [];
    const takeTurns = async (): Promise<void> => {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      seen.push("first");
      clock.schedule(0, () => seen.push("its own"));
    };
    clock.schedule(1, () => void takeTurns());
    clock.schedule(2, () => seen.push("second"));
    await clock.advanceTo(5);
    expect(seen).toEqual(["first", "its own", "second"]);
  });

  test("a cancelled timer never fires", async () => {
    const clock = virtualClock({ startAt: new Date(0) });
    const cancel = clock.schedule(1, () => expect.unreachable());
    cancel();
    cancel();
    await clock.advanceTo(new Date(10));
    expect(clock.next).toBeUndefined();
  });

  test("runs until only timers are left that keep no process alive", async () => {
    const clock = virtualClock({ startAt: 0 });
    let wakes = 0;
    const heartbeat = (): void => {
      wakes += 1;
      clock.schedule(100, heartbeat, { unref: true });
    };
    clock.schedule(100, heartbeat, { unref: true });
    clock.schedule(350, () => undefined);
    expect(await clock.runUntilIdle()).toBe(350);
    expect(wakes).toBe(3);
  });

  test("moves by itself when it is told to, but stands still while somebody is busy", async () => {
    let isBusy = true;
    const clock = virtualClock({ startAt: 0, auto: true, isBusy: () => isBusy, patienceMs: 5000 });
    const day = 86_400_000;
    const woken = new Promise<number>((resolve) => {
      clock.schedule(3 * day, () => resolve(clock.now()));
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(clock.now()).toBe(0);
    isBusy = false;
    expect(await woken).toBe(3 * day);
  });

  test("loses patience with somebody who is busy and does nothing", async () => {
    const clock = virtualClock({ startAt: 0, auto: true, isBusy: () => true, patienceMs: 5 });
    await new Promise<void>((resolve) => {
      clock.schedule(60_000, resolve);
    });
    expect(clock.now()).toBe(60_000);
  });

  test("two that settle at a time do not wait for each other", async () => {
    const clocks = [virtualClock(), virtualClock()];
    await Promise.all([...clocks, ...clocks].map((clock) => clock.settle()));
  });

  test("jumping fires what is due and waits for nothing; closing drops the rest", () => {
    const clock = virtualClock({ startAt: 0 });
    const fired: number[] = [];
    clock.schedule(5, () => fired.push(clock.now()));
    clock.schedule(50, () => fired.push(clock.now()));
    clock.jump(10);
    expect([clock.now(), ...fired]).toEqual([10, 5]);
    clock.close();
    expect(clock.next).toBeUndefined();
  });
});
