import type { StandardSchemaV1 } from "@standard-schema/spec";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { hasCode } from "../errors.ts";
import { answerSchema, jsonSchemaOf, parseJsonText } from "./structured.ts";

function thrownMessage(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    if (hasCode(error, "usage")) return error.message;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("jsonSchemaOf", () => {
  test("asks the schema's own library", () => {
    expect(jsonSchemaOf(z.object({ a: z.string().default("x") }))).toMatchObject({
      type: "object",
      properties: { a: { type: "string", default: "x" } },
    });
  });

  test("takes schemas that are functions", () => {
    const schema = Object.assign(() => 1, { "~standard": z.string()["~standard"] });
    expect(jsonSchemaOf(schema)).toMatchObject({ type: "string" });
  });

  test("says which libraries can", () => {
    const schema: StandardSchemaV1 = {
      "~standard": { version: 1, vendor: "acme", validate: (value) => ({ value }) },
    };
    expect(thrownMessage(() => jsonSchemaOf(schema))).toMatch(
      /the schema \(acme\) cannot be written as JSON Schema.*zod 4\.2/,
    );
    const half = { "~standard": { ...schema["~standard"], jsonSchema: undefined } };
    expect(thrownMessage(() => jsonSchemaOf(half))).toMatch(/acme/);
  });

  test("says what of a schema has no JSON form", () => {
    expect(thrownMessage(() => jsonSchemaOf(z.object({ when: z.date() })))).toMatch(
      /part of the schema \(zod\).*Date/,
    );
    const odd: StandardSchemaV1 = {
      "~standard": {
        ...z.string()["~standard"],
        jsonSchema: {
          input: () => {
            throw "no";
          },
        },
      } as StandardSchemaV1["~standard"],
    };
    expect(thrownMessage(() => jsonSchemaOf(odd))).toMatch(/: no\./);
  });

  test("refuses what is no schema", () => {
    expect(thrownMessage(() => jsonSchemaOf(JSON.parse('{"type":"object"}')))).toMatch(
      /must be a Standard Schema/,
    );
    expect(thrownMessage(() => jsonSchemaOf(JSON.parse("null")))).toMatch(
      /must be a Standard Schema/,
    );
  });
});

describe("answerSchema", () => {
  test("closes objects at every depth and leaves data alone", () => {
    const { shown, unwrap } = answerSchema({
      $schema: "x",
      type: "object",
      properties: {
        list: { type: "array", items: [{ type: "object", properties: {} }] },
        map: { type: "object", additionalProperties: { type: "string" } },
        fixed: { const: { type: "object" } },
      },
    });
    expect(shown).toEqual({
      type: "object",
      additionalProperties: false,
      properties: {
        list: {
          type: "array",
          items: [{ type: "object", properties: {}, additionalProperties: false }],
        },
        map: { type: "object", additionalProperties: { type: "string" } },
        fixed: { const: { type: "object" } },
      },
    });
    expect(unwrap({ result: 1 })).toEqual({ result: 1 });
  });

  test("puts anything but an object into one", () => {
    const { shown, unwrap } = answerSchema(jsonSchemaOf(z.array(z.string())));
    expect(shown).toEqual({
      type: "object",
      properties: { result: { type: "array", items: { type: "string" } } },
      required: ["result"],
      additionalProperties: false,
    });
    expect(unwrap({ result: ["a"] })).toEqual(["a"]);
    expect(unwrap(["a"])).toEqual(["a"]);
    expect(unwrap(null)).toBeNull();
  });

  test("references still lead to what they meant", () => {
    const { shown } = answerSchema({
      anyOf: [{ type: "string" }, { type: "array", items: { $ref: "#" } }, { $ref: "#/$defs/a" }],
      $defs: { a: { type: "number" } },
      definitions: { b: { $ref: "#" } },
    });
    expect(shown).toEqual({
      type: "object",
      properties: {
        result: {
          anyOf: [
            { type: "string" },
            { type: "array", items: { $ref: "#/properties/result" } },
            { $ref: "#/$defs/a" },
          ],
        },
      },
      required: ["result"],
      additionalProperties: false,
      $defs: { a: { type: "number" } },
      definitions: { b: { $ref: "#/properties/result" } },
    });
  });
});

test("parseJsonText reads bare and fenced JSON", () => {
  expect(parseJsonText('{"a":1}')).toEqual({ value: { a: 1 } });
  expect(parseJsonText('Here:\n```json\n{"a":1}\n```\nDone')).toEqual({ value: { a: 1 } });
  expect(parseJsonText("```\nnull\n```")).toEqual({ value: null });
  expect(parseJsonText("sorry")).toBeUndefined();
  expect(parseJsonText("```json\nsorry\n```")).toBeUndefined();
});
