import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  type SchemaInput,
  type SchemaOutput,
  type StandardSchema,
  isSchema,
  toJsonSchema,
  validate,
  validateJson,
} from "./schema.ts";

function standard(props: object): StandardSchema {
  return {
    "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }), ...props },
  };
}

function jsonOf(schema: z.ZodType): Readonly<Record<string, unknown>> {
  const json = toJsonSchema(schema);
  if (json === undefined) throw new Error("no JSON Schema");
  return json;
}

async function issuesOf(
  schema: Readonly<Record<string, unknown>>,
  value: unknown,
): Promise<string> {
  const result = await validateJson(schema, value);
  return result.ok ? "ok" : result.issues;
}

describe("validate", () => {
  test("answers at once where the schema can", () => {
    expect(validate(z.string().trim(), " a ")).toEqual({ ok: true, value: "a" });
  });

  test("what a schema's own code throws is a value that does not fit", async () => {
    const withCheck = (check: () => never | Promise<never>): StandardSchema => ({
      "~standard": { version: 1, vendor: "own", validate: check },
    });
    const throwing = withCheck(() => {
      throw new Error("no such user");
    });
    const later = withCheck(() => Promise.reject(new Error("no such user")));
    const issue = { ok: false, issues: "its schema threw: no such user" };
    expect(validate(throwing, "x")).toEqual(issue);
    expect(await validate(later, "x")).toEqual(issue);
  });

  test("waits for a schema that is asynchronous", async () => {
    const schema = z.string().refine((text) => Promise.resolve(text.length > 1), "too short");
    const result = validate(schema, "a");
    expect(result).toBeInstanceOf(Promise);
    expect(await result).toEqual({ ok: false, issues: "too short" });
    expect(await validate(schema, "ab")).toEqual({ ok: true, value: "ab" });
  });

  test("what a library drops of its first try ends no process", async () => {
    const dropped: unknown[] = [];
    const listener = (reason: unknown): void => void dropped.push(reason);
    process.on("unhandledRejection", listener);
    const schema = z.string().transform(async () => Promise.reject(new Error("no such user")));
    expect(await validate(schema, "x")).toEqual({
      ok: false,
      issues: "its schema threw: no such user",
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    process.off("unhandledRejection", listener);
    expect(dropped).toEqual([]);
  });

  test("says where and what", () => {
    const schema = z.object({ a: z.boolean(), list: z.array(z.object({ n: z.number() })) });
    expect(validate(schema, { a: "yes", list: [{ n: 1 }, { n: "2" }] })).toEqual({
      ok: false,
      issues:
        "a: Invalid input: expected boolean, received string; list[1].n: Invalid input: expected number, received string",
    });
  });

  test("writes all kinds of path, once each, and not too many", () => {
    const issue = { message: "bad", path: ["a", { key: 0 }, "b c", Symbol("s")] };
    const schema = standard({ validate: () => ({ issues: [issue, issue, { message: "worse" }] }) });
    expect(validate(schema, 1)).toEqual({
      ok: false,
      issues: 'a[0]["b c"]["Symbol(s)"]: bad; worse',
    });
    const issues = Array.from({ length: 8 }, (_, at) => ({ message: `${at}` }));
    expect(validate(standard({ validate: () => ({ issues }) }), 1)).toEqual({
      ok: false,
      issues: "0; 1; 2; 3; 4; and 3 more",
    });
  });

  test("is typed by the schema", () => {
    const schema = z.string().transform((text) => text.length);
    expectTypeOf<SchemaInput<typeof schema>>().toEqualTypeOf<string>();
    expectTypeOf<SchemaOutput<typeof schema>>().toEqualTypeOf<number>();
    const result = validate(schema, "ab");
    if (!(result instanceof Promise) && result.ok)
      expectTypeOf(result.value).toEqualTypeOf<number>();
    expect(result).toEqual({ ok: true, value: 2 });
  });
});

test("isSchema knows schemas, also those that are functions", () => {
  expect(isSchema(z.string())).toBe(true);
  expect(isSchema(Object.assign(() => 1, standard({})))).toBe(true);
  for (const value of [undefined, null, "x", {}, { "~standard": 1 }, { "~standard": {} }]) {
    expect(isSchema(value)).toBe(false);
  }
});

describe("toJsonSchema", () => {
  test("describes what a schema takes", () => {
    const schema = z.object({ n: z.string().transform(Number), o: z.boolean().default(true) });
    expect(toJsonSchema(schema)).toMatchObject({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      properties: { n: { type: "string" }, o: { type: "boolean" } },
      required: ["n"],
    });
  });

  test("never throws", () => {
    expect(toJsonSchema(z.date())).toBeUndefined();
    expect(toJsonSchema(standard({}))).toBeUndefined();
    expect(toJsonSchema(standard({ jsonSchema: 1 }))).toBeUndefined();
    expect(toJsonSchema(standard({ jsonSchema: {} }))).toBeUndefined();
    expect(toJsonSchema(standard({ jsonSchema: { input: () => 1 } }))).toBeUndefined();
    const fails = (): never => {
      throw new Error("no");
    };
    expect(toJsonSchema(standard({ jsonSchema: { input: fails } }))).toBeUndefined();
  });
});

describe("validateJson", () => {
  const order = z.object({
    ok: z.boolean(),
    size: z.enum(["s", "m"]),
    id: z.union([z.string(), z.number()]),
    items: z.array(z.object({ n: z.number().min(3) })),
    kind: z.literal(3).optional(),
    note: z.string().max(4).optional(),
    to: z.union([z.object({ mail: z.string() }), z.object({ phone: z.string() })]).optional(),
    who: z.union([z.array(z.string()), z.number()]).optional(),
  });
  const good = { ok: true, size: "s", id: 1, items: [{ n: 3 }] };

  test("takes what fits", async () => {
    expect(await validateJson(jsonOf(order), good)).toEqual({ ok: true });
    expect(await validateJson(jsonOf(order), { ...good, note: undefined })).toEqual({ ok: true });
    expect(await validateJson(jsonOf(z.boolean()), false)).toEqual({ ok: true });
    const bare: unknown = Object.assign(Object.create(null), good);
    expect(await validateJson(jsonOf(order), bare)).toEqual({ ok: true });
  });

  test.each<[object, string]>([
    [{ ok: "yes" }, 'ok: expected boolean, received "yes"'],
    [{ size: "xl" }, 'size: expected one of ["s","m"], received "xl"'],
    [{ id: true }, "id: expected string or number, received true"],
    [{ items: [{ n: 3 }, { n: 1 }] }, "items[1].n: 1 is less than 3, received 1"],
    [{ items: [{}] }, 'items[0]: "n" is missing'],
    [{ kind: 4 }, "kind: expected 3, received 4"],
    [{ note: "x".repeat(100) }, `note: String is too long (100 > 4), received "${"x".repeat(79)}…`],
    [{ to: { fax: 1 } }, 'to: expected one of the allowed shapes, received {"fax":1}'],
    [{ who: "me" }, 'who: expected array or number, received "me"'],
    [{ who: [1] }, "who: expected one of the allowed shapes, received [1]"],
  ])("explains %j", async (part, issues) => {
    expect(await issuesOf(jsonOf(order), { ...good, ...part })).toBe(issues);
  });

  test("explains a value by itself", async () => {
    expect(await issuesOf(jsonOf(z.boolean()), "yes")).toBe('expected boolean, received "yes"');
    expect(await issuesOf(jsonOf(z.boolean()), undefined)).toBe(
      "expected a value, received undefined",
    );
  });

  test("explains references, forbidden fields and odd keys", async () => {
    const schema = {
      type: "object",
      properties: { "a/b~c #": { $ref: "#/$defs/flag" } },
      additionalProperties: false,
      $defs: { flag: { type: "boolean" } },
    };
    expect(await issuesOf(schema, { "a/b~c #": 1, z: 2 })).toBe(
      '["a/b~c #"]: expected boolean, received 1; z: is not allowed here, received 2',
    );
    expect(await issuesOf({ oneOf: [{ minimum: 1 }, { maximum: 9 }] }, 5)).toBe(
      "expected one of the allowed shapes, received 5",
    );
  });

  test("takes dates as text and refuses what JSON would distort", async () => {
    const text = { type: "object", properties: { at: { type: "string", format: "date-time" } } };
    expect(await issuesOf(text, { at: new Date(0) })).toBe("ok");
    expect(await issuesOf(text, { at: new Map() })).toBe(
      "expected plain JSON: received an instance of Map",
    );
    expect(await issuesOf(text, { at: 1n })).toMatch(/^expected plain JSON: .*BigInt/);
    expect(await issuesOf(text, () => 1)).toMatch(/^expected a value, received \(\) => 1/);
  });

  test("reports a schema that cannot be applied", async () => {
    expect(await issuesOf({ $ref: "#/$defs/none" }, 1)).toMatch(/^its schema cannot be applied: /);
  });

  test("loses the place of a value that is not there", async () => {
    const schema = { type: "object", propertyNames: { maxLength: 1 } };
    expect(await issuesOf(schema, { long: 1 })).toMatch(/long/);
  });
});
