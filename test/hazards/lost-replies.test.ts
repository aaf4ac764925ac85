import { expect, test } from "vitest";
import { checkpoint, flow, sleep, wait } from "../../core/index.ts";
import type { RecordDraft } from "../../core/ports/records.ts";
import { type Intercept, World, unique } from "./kit.ts";

/** Applied, but the client's own retry of the write sees a conflict. */
function replyLost(of: (draft: RecordDraft) => boolean): Intercept {
  return async (draft, write) => {
    const result = await write();
    return of(draft) ? { ok: false } : result;
  };
}

/** Applied, but the connection broke before the reply. */
function connectionLost(of: (draft: RecordDraft) => boolean, times = 1): Intercept {
  let left = times;
  return async (draft, write) => {
    const result = await write();
    if (of(draft) && left-- > 0) throw new Error("connection lost");
    return result;
  };
}

function twoSteps(): { name: string; question: string; runs: string[] } {
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
    return x + 1;
  });
  const second = checkpoint(two, (x: number) => {
    runs.push("second");
    return x * 10;
  });
  flow(name, async (x: number) => {
    const seen = await first(x);
    await ask();
    return second(seen);
  });
  return { name, question, runs };
}

const documents: Record<string, RegExp> = {
  append: /^j\//,
  head: /^head$/,
  "park and signal": /^inbox$/,
  "every write": /./,
};

test.each(Object.keys(documents))(
  "a conflict that is the echo of our own %s is a success",
  async (what) => {
    const { name, question, runs } = twoSteps();
    const world = new World();
    const process = world.process();
    const sort = documents[what] ?? /./;
    world.intercept = replyLost((draft) => sort.test(draft.sort));
    const id = await process.start(name, 1);
    expect(await process.drive(id)).toBe("waiting");
    await process.answer(id, question);
    expect(await process.drive(id)).toBe("completed");
    expect(await process.output(id)).toBe(20);
    expect(runs).toEqual(["first", "second"]);
    expect(await process.entriesOf(id, "ended")).toHaveLength(1);
    expect(await process.entriesOf(id, "advance")).toHaveLength(2);
    expect((await process.head(id)).view.status).toBe("completed");
    expect((await process.head(id)).dueAt).toBeUndefined();
  },
);

test.each(["j/000000", "head", "inbox"])(
  "a connection lost after %s was written repeats no recorded step",
  async (sort) => {
    for (let nth = 1; nth <= 3; nth++) {
      const { name, question, runs } = twoSteps();
      const world = new World();
      const process = world.process();
      let seen = 0;
      world.intercept = connectionLost((draft) => draft.sort === sort && ++seen === nth);
      const again = async <T>(work: () => Promise<T>): Promise<T> => work().catch(work);
      const id = await again(() => process.start(name, 1));
      await again(() => process.drive(id));
      await again(() => process.answer(id, question));
      expect(await again(() => process.drive(id))).toBe("completed");
      expect(await process.output(id)).toBe(20);
      expect(runs).toEqual(["first", "second"]);
    }
  },
);

test("an answer whose reply was lost is told as accepted, not as a conflict with itself", async () => {
  const { name, question } = twoSteps();
  const world = new World();
  const process = world.process();
  const id = await process.start(name, 1);
  await process.drive(id);
  world.intercept = replyLost(() => true);
  await process.answer(id, question);
  world.intercept = undefined;
  expect((await process.inbox(id)).items).toHaveLength(1);
});

test("a takeover whose reply was lost is a takeover", async () => {
  const { name, question } = twoSteps();
  const world = new World();
  const process = world.process();
  const id = await process.start(name, 1);
  await process.drive(id);
  await process.answer(id, question);
  world.intercept = replyLost((draft) => draft.sort.startsWith("j/"));
  expect((await process.advance(id)).kind).toBe("end");
  world.intercept = undefined;
  const epochs = (await process.entriesOf(id, "advance")).map((entry) => entry.epoch);
  expect(epochs).toEqual([1, 2]);
});

test("an append that lost to somebody who appended on top of it is superseded", async () => {
  const [name, one, two] = [unique("flow"), unique("step"), unique("step")];
  const first = checkpoint(one, () => 1);
  const second = checkpoint(two, () => 2);
  flow(name, async () => (await first()) + (await second()));
  const world = new World();
  const [here, there] = [world.process(), world.process()];
  const id = await here.start(name);
  world.intercept = async (draft, write) => {
    const result = await write();
    if (!draft.body.includes(`"${two}:0"`)) return result;
    world.intercept = undefined;
    await there.drive(id); // the same owner's next advance has come by meanwhile
    return { ok: false };
  };
  expect((await here.advance(id)).kind).toBe("advance");
  expect(await here.status(id)).toBe("completed");
  expect(await here.entriesOf(id, "completed")).toHaveLength(2);
});

test("a start whose reply was lost is a start; the orchestration is begun", async () => {
  const name = unique("flow");
  flow(name, async () => sleep("1h"));
  const world = new World();
  const process = world.process();
  world.intercept = connectionLost((draft) => draft.sort === "head");
  await expect(process.start(name)).rejects.toThrow("connection lost");
  expect(process.starts).toEqual([]);
  world.clock.jump(world.clock.now() + 5000);
  await process.sweep(); // nobody called start again: the head is due
  expect(process.starts).toMatchObject([{ executionId: `x-${name}`, generation: 2 }]);
});
