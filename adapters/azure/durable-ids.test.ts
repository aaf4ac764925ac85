import { expect, test } from "vitest";
import { generationOf, instanceId, pageInstanceId, readToken, wakeToken } from "./durable-ids.ts";

test("an instance is named after its execution and generation", () => {
  expect(instanceId("order-1", 2)).toBe("order-1:2");
  expect(generationOf(instanceId("order-1/pay:0", 12))).toBe(12);
});

test("an id that no instance may have, or that is too long, is told apart by a hash", () => {
  const child = instanceId("order-1/pay:0", 1);
  expect(child).toMatch(/^order-1-pay:0-[0-9a-f]{16}:1$/);
  expect(child).not.toBe(instanceId("order-1-pay:0", 1));
  const long = instanceId("x".repeat(200), 123);
  expect(pageInstanceId(long, 12_345, 999).length).toBeLessThanOrEqual(100);
  expect(long).not.toBe(instanceId("x".repeat(199), 123));
});

test("a token says whom it wakes in which turn", () => {
  expect(readToken(wakeToken("order-1:2", 7))).toEqual({ instance: "order-1:2", event: "wake:7" });
});

test("an owner is no token", () => {
  expect(readToken("order-1:2")).toBeUndefined();
  expect(readToken("a#b#c")).toBeUndefined();
});
