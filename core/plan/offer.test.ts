import { expect, test } from "vitest";
import { workOf } from "./offer.ts";

test("a plan alone counts each checkpoint and each wait of the bundle once", () => {
  const plan = {
    kind: "plan",
    bundle: "b",
    flows: [],
    tasks: [{ checkpoint: "far" }],
    waits: [{ wait: "a" }, { wait: "b" }],
  } as const;
  expect(workOf(plan, 3)).toEqual({
    inline: 2,
    isolated: 1,
    rests: 2,
    largeValues: 0,
    seconds: 0,
  });
});
