import { describe, expectTypeOf, test } from "vitest";
import { z } from "zod";

import { load, log, save } from "./artifact.ts";
import { now, random, uuid } from "./deterministic.ts";
import type { Override } from "../engine/replay/override.ts";
import { sleep } from "./sleep.ts";
import { type AnswerOptions, type Wait, wait } from "./wait.ts";

describe("a wait with a schema", () => {
  test("gives the schema's output and takes its input", () => {
    const pick = wait("pick", { schema: z.string().transform(Number), question: "How many?" });
    expectTypeOf(pick).toEqualTypeOf<Wait<string, number>>();
    expectTypeOf(pick()).toEqualTypeOf<Promise<number>>();
    expectTypeOf(pick({ question: "Really?", metadata: { a: 1 } })).toEqualTypeOf<
      Promise<number>
    >();
    expectTypeOf(pick.answer).parameters.toEqualTypeOf<
      [executionId: string, value: string, options?: AnswerOptions]
    >();
    expectTypeOf(pick.answer("e", "1")).toEqualTypeOf<Promise<void>>();
    expectTypeOf(pick.abort("e", { call: "pick:1" })).toEqualTypeOf<Promise<void>>();
    // @ts-expect-error the schema takes a text
    void pick.answer("e", 1);
    // @ts-expect-error an answer is needed
    void pick.answer("e");
  });

  test("an object with defaults may be given without them", () => {
    const pick = wait("pick", {
      schema: z.object({ n: z.number(), tag: z.string().default("x") }),
    });
    void pick.answer("e", { n: 1 });
    expectTypeOf(pick()).resolves.toEqualTypeOf<{ n: number; tag: string }>();
    // @ts-expect-error n is missing
    void pick.answer("e", {});
  });

  test("a timeout adds undefined", () => {
    const pick = wait("pick", { schema: z.boolean(), timeout: "3 days" });
    expectTypeOf(pick()).toEqualTypeOf<Promise<boolean | undefined>>();
    expectTypeOf(pick.answer).parameter(1).toEqualTypeOf<boolean>();
    const none = wait("pick", { schema: z.boolean(), timeout: undefined });
    expectTypeOf(none()).toEqualTypeOf<Promise<boolean>>();
  });

  test("an override takes the output", () => {
    const pick = wait("pick", { schema: z.string().transform(Number), timeout: 1000 });
    expectTypeOf(pick.as(1)).toEqualTypeOf<Override>();
    pick.as(undefined); // as if it had expired
    pick.at(2).as(1);
    // @ts-expect-error the output is a number
    pick.as("1");
    // @ts-expect-error the output is a number
    pick.at(0).as("1");
    const patient = wait("patient", { schema: z.number() });
    // @ts-expect-error it cannot expire
    patient.as(undefined);
  });
});

describe("a gate", () => {
  test("takes no value and gives none", () => {
    const gate = wait("gate", { question: "Go on?" });
    expectTypeOf(gate()).toEqualTypeOf<Promise<void>>();
    void gate.answer("e");
    void gate.answer("e", undefined, { call: "gate:1" });
    // @ts-expect-error it takes no value
    void gate.answer("e", true);
    // @ts-expect-error it takes no value
    void gate.answer("e", "yes");
    expectTypeOf(wait("bare")()).toEqualTypeOf<Promise<void>>();
  });

  test("can be overridden as continued", () => {
    const gate = wait("gate");
    expectTypeOf(gate.as(undefined)).toEqualTypeOf<Override>();
    expectTypeOf(gate.at(1).as()).toEqualTypeOf<Override>();
    // @ts-expect-error it has no value
    gate.as(true);
  });
});

test("options", () => {
  // @ts-expect-error not a duration
  wait("w", { timeout: "soon" });
  // @ts-expect-error an unknown option
  wait("w", { schem: z.string() });
  // @ts-expect-error a schema is meant
  wait("w", { schema: { type: "string" } });
});

test("sleep takes a duration or a date", () => {
  expectTypeOf(sleep("2 days")).toEqualTypeOf<Promise<void>>();
  void sleep(5);
  void sleep(new Date());
  // @ts-expect-error no unit
  void sleep("5");
  // @ts-expect-error not a unit
  void sleep("2 fortnights");
  // @ts-expect-error a length is needed
  void sleep();
});

test("artifacts and logs", () => {
  save("a", { any: "thing" }, { type: "context" });
  expectTypeOf(save).returns.toEqualTypeOf<void>();
  expectTypeOf(load("e", "a")).toEqualTypeOf<Promise<unknown>>();
  log({ step: 1, of: ["three"] });
  // @ts-expect-error not a type of artifact
  save("a", 1, { type: "picture" });
  // @ts-expect-error fields are named
  log("text");
});

test("the deterministic ones", () => {
  expectTypeOf(now()).toEqualTypeOf<number>();
  expectTypeOf(random()).toEqualTypeOf<number>();
  expectTypeOf(uuid()).toEqualTypeOf<string>();
});
