import { expectTypeOf, test } from "vitest";
import type { clouds } from "../faults/clouds.ts";
import type { FaultName, FaultyCloud } from "../faults/faults.ts";
import type { CloudName, StackName, StackUnderTest, stacks } from "./stacks.ts";

test("the package's exports say which stacks there are; one without a row does not compile", () => {
  expectTypeOf<StackName>().toEqualTypeOf<"local" | "aws" | "azure" | "gcp">();
  expectTypeOf<keyof typeof stacks>().toEqualTypeOf<StackName>();
  expectTypeOf<Record<"local" | "aws" | "azure", StackUnderTest>>().not.toExtend<typeof stacks>();
});

test("every cloud says how each fault is injected", () => {
  expectTypeOf<keyof typeof clouds>().toEqualTypeOf<CloudName>();
  expectTypeOf<keyof FaultyCloud["inject"]>().toEqualTypeOf<FaultName>();
  type Incomplete = Omit<FaultyCloud["inject"], "skewed">;
  expectTypeOf<Incomplete>().not.toExtend<FaultyCloud["inject"]>();
});
