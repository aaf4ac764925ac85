import { expect, test } from "vitest";
import { z } from "zod";
import { World, unique } from "../../test/hazards/kit.ts";
import type { EndedEntry, Entry } from "../journal/entry.ts";
import type { AnswerItem, InboxItem } from "../journal/inbox.ts";
import { JournalState } from "../journal/state.ts";
import { wait } from "../primitives/wait.ts";
import { adopt } from "./adopt.ts";

const { context } = new World().process();
const now = 1000;

function adopting(items: readonly InboxItem[], ...entries: readonly Entry[]): Promise<Entry[]> {
  const state = new JournalState();
  for (const entry of entries) state.add(entry);
  return adopt(context, { items }, state, now);
}

function answer(
  i: string,
  call: string,
  fields: Partial<AnswerItem & { at: number }> = {},
): InboxItem {
  const name = call.split(":")[0] ?? "";
  return { i, at: 5, kind: "answer", call, name, value: { v: i }, vh: i, ...fields };
}

const waiting: Entry = {
  t: "waiting",
  id: "a:0",
  kind: "wait",
  name: "a",
  ask: 3,
  h: "hash",
  at: 1,
};
const ended: EndedEntry = { t: "ended", status: "failed", cause: "a:0", asks: 1, at: 9 };

test("the first item for a call counts, items already journaled are skipped", async () => {
  const adopted = await adopting(
    [answer("1", "a:0"), answer("2", "a:0"), answer("3", "b:0")],
    waiting,
  );
  expect(adopted).toMatchObject([
    { t: "completed", id: "a:0", ask: 3, h: "hash", item: "1", out: { v: "1" } },
    { t: "completed", id: "b:0", kind: "wait", name: "b", item: "3" },
  ]);
  expect(adopted[1]).not.toHaveProperty("ask");
  expect(await adopting([answer("1", "a:0")], waiting, ...adopted)).toEqual([]);
  expect(await adopting([answer("9", "a:0")], waiting, ...adopted)).toEqual([]);
});

test("the time of an outcome lies between the last advance and now, whatever clock its sender had", async () => {
  const advance: Entry = { t: "advance", epoch: 1, owner: "o", until: 1, at: 500 };
  for (const [at, expected] of [
    [1, 500],
    [700, 700],
    [9999, now],
  ])
    expect(await adopting([answer("1", "a:0", { at: at ?? 0 })], advance)).toMatchObject([
      { at: expected },
    ]);
});

test("a child's end is the outcome of its call", async () => {
  const err = { name: "Error", message: "x" };
  expect(
    await adopting([
      { i: "1", at: 1, kind: "child", call: "c:0", out: { v: 7 } },
      { i: "2", at: 1, kind: "child", call: "c:1" },
      { i: "3", at: 1, kind: "child", call: "c:2", err },
    ]),
  ).toMatchObject([
    { t: "completed", kind: "flow", out: { v: 7 } },
    { t: "completed", kind: "flow" },
    { t: "failed", kind: "flow", err },
  ]);
});

test("a cancel is adopted once; another one ends, and nothing after it counts", async () => {
  const cancel = (i: string): InboxItem => ({ i, at: 1, kind: "cancel" });
  expect(await adopting([cancel("1")])).toMatchObject([{ t: "cancelling", item: "1" }]);
  expect(
    (await adopting([cancel("1"), cancel("2"), answer("3", "a:0")])).map((entry) => entry.t),
  ).toEqual(["cancelling", "ended"]);
});

test("of an ended execution a retry alone is taken in, once", async () => {
  const retry: InboxItem = { i: "r", at: 1, kind: "retry" };
  const adopted = await adopting([answer("1", "b:0"), retry], waiting, ended);
  expect(adopted).toMatchObject([{ t: "retried", item: "r", voids: ["a:0"] }]);
  expect(await adopting([answer("1", "b:0")], waiting, ended)).toEqual([]);
  expect(await adopting([retry], { ...ended, status: "completed" })).toEqual([]);
  expect(await adopting([retry], { ...ended, status: "cancelled" })).toEqual([]);
  expect(
    await adopting([{ ...retry, parent: true }], { ...ended, status: "cancelled" }),
  ).toHaveLength(1);
  const after = await adopting([answer("1", "b:0"), retry], waiting, ended, ...adopted);
  expect(after).toMatchObject([{ t: "completed", id: "b:0" }]);
});

test("a raw answer is checked and transformed where the code is, and taken as it is where nobody knows the wait", async () => {
  const name = unique("ask");
  wait(name, { schema: z.coerce.number() });
  const raw = (i: string, v: unknown, to = name): InboxItem =>
    answer(i, `${to}:0`, { name: to, value: { v }, vh: `given-${i}`, raw: true });
  expect(await adopting([raw("1", "42")])).toMatchObject([
    { t: "completed", out: { v: 42 }, gh: "given-1" },
  ]);
  expect(await adopting([raw("1", "no number")])).toMatchObject([{ t: "rejected", item: "1" }]);
  expect(await adopting([raw("1", "as is", "unknown")])).toMatchObject([
    { t: "completed", out: { v: "as is" }, vh: "given-1" },
  ]);
});
