import { expect, test } from "vitest";
import { type Consumed, type Produced, matchValues } from "./lineage-match.ts";
import { valueTree } from "./value-tree.ts";

const made = (node: string, position: number, value: unknown): Produced => ({
  node,
  position,
  tree: valueTree(value),
});
const given = (node: string, position: number, value: unknown, name = "argument 1"): Consumed => ({
  node,
  position,
  name,
  tree: valueTree(value),
});

test("a whole value, a part of one, and a value inside another are all found", () => {
  const produced = [
    made("input", -1, { topic: "Cloud roofs" }),
    made("a:0", 2, { brief: "Short." }),
  ];
  expect(
    matchValues(produced, [
      given("a:0", 2, "Cloud roofs"),
      given("b:0", 4, { text: { brief: "Short." }, style: "plain" }),
      given("c:0", 6, ["Short."]),
    ]),
  ).toEqual([
    { from: "input", part: ".topic", to: "a:0", as: "argument 1" },
    { from: "a:0", part: "", to: "b:0", as: "argument 1.text" },
    { from: "a:0", part: ".brief", to: "c:0", as: "argument 1[0]" },
  ]);
});

test("what is inside an equal part came along with it", () => {
  const produced = [
    made("input", -1, { topic: "Cloud roofs" }),
    made("a:0", 1, { topic: "Cloud roofs", more: "text" }),
  ];
  const handed = matchValues(produced, [given("b:0", 3, { topic: "Cloud roofs", more: "text" })]);
  expect(handed.map(({ from }) => from)).toEqual(["a:0"]);
});

test("the last that made it whole is the origin, else the first that had it inside", () => {
  const text = "the same text";
  const whole = [
    made("a:0", 1, text),
    made("a:1", 3, text),
    made("b:0", 4, { text }),
    made("a:2", 9, text),
  ];
  expect(matchValues(whole, [given("c:0", 6, text)])).toMatchObject([{ from: "a:1" }]);
  const inside = [made("input", -1, { text }), made("b:0", 4, { text, more: 1 })];
  expect(matchValues(inside, [given("c:0", 6, text)])).toMatchObject([{ from: "input" }]);
});

test("nothing comes from what was not there yet, from itself, or from what says too little", () => {
  const produced = [
    made("a:0", 5, "a long text"),
    made("b:0", 1, true),
    made("c:0", 1, ""),
    made("d:0", 1, 7),
  ];
  const consumed = [
    given("a:0", 5, "a long text"),
    given("e:0", 3, "a long text"),
    given("e:0", 6, [true, "", 7]),
  ];
  expect(matchValues(produced, consumed)).toEqual([]);
});

test("of a value with a great many parts the upper thousand are looked at", () => {
  const parts = Array.from({ length: 3000 }, (_, index) => `part number ${index}`);
  const produced = parts.map((part, index) => made(`a:${index}`, index, part));
  expect(matchValues(produced, [given("b:0", 5000, { parts })])).toHaveLength(998);
});
