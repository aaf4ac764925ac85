import { expect, test, vi } from "vitest";
import { inTurns } from "./turns.ts";

test("what a step set in motion comes before the next, also where it takes a turn of its own", async () => {
  const seen: string[] = [];
  const settling = async (step: number): Promise<void> => {
    for (let hops = 0; hops < 20; hops += 1) await Promise.resolve();
    seen.push(`promises of ${step}`);
  };
  let step = 0;
  const result = await inTurns(() => {
    step += 1;
    seen.push(`step ${step}`);
    if (step === 3) return "done";
    void settling(step);
    const at = step;
    void Promise.resolve().then(() => setImmediate(() => seen.push(`turn of ${at}`)));
    return undefined;
  });
  expect(result).toBe("done");
  expect(seen).toEqual([
    "step 1",
    "promises of 1",
    "turn of 1",
    "step 2",
    "promises of 2",
    "turn of 2",
    "step 3",
  ]);
});

test.each([1, 2, 3, 5, 50])(
  "a turn that is asked for %i promises after a step comes before the next",
  async (hops) => {
    const seen: string[] = [];
    let step = 0;
    await inTurns(() => {
      seen.push(`step ${++step}`);
      if (step === 3) return "done";
      const at = step;
      void (async () => {
        for (let hop = 0; hop < hops; hop++) await Promise.resolve();
        setImmediate(() => seen.push(`turn of ${at}`));
      })();
      return undefined;
    });
    expect(seen).toEqual(["step 1", "turn of 1", "step 2", "turn of 2", "step 3"]);
  },
);

test("a step takes one turn where nothing else asks for one", async () => {
  const asked = vi.spyOn(globalThis, "setImmediate");
  let steps = 0;
  await inTurns(() => {
    void Promise.resolve().then(() => Promise.resolve());
    return ++steps === 10 ? steps : undefined;
  });
  expect(asked.mock.calls.length).toBe(10);
  asked.mockRestore();
});

test("a step that takes time is waited for", async () => {
  let running = 0;
  let steps = 0;
  const result = await inTurns(async () => {
    running += 1;
    expect(running).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 2));
    running -= 1;
    steps += 1;
    return steps === 3 ? steps : undefined;
  });
  expect(result).toBe(3);
});

test("a step that throws or rejects ends them", async () => {
  const failure = new Error("no");
  let steps = 0;
  const throwing = (): undefined => {
    if (++steps === 2) throw failure;
    return undefined;
  };
  await expect(inTurns(throwing)).rejects.toBe(failure);
  expect(steps).toBe(2);
  await expect(inTurns(() => Promise.reject(failure))).rejects.toBe(failure);
});
