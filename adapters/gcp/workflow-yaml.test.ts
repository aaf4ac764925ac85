import fc from "fast-check";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { type Yaml, toYaml } from "./workflow-yaml.ts";

const tree = fc.letrec<{ value: Yaml }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: "grapheme" }),
    fc.constantFrom("no", "${a.b}", '${"x: y" + z}', "- a", "a: b", "#", "", " a", "1", "1e3", "~"),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(
      fc.string({ unit: "grapheme" }).filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).value;

test.each(["1.2", "1.1"] as const)("what is written is read again, as YAML %s", (version) => {
  const isReadAgain = fc.property(tree, (value) => {
    expect(parse(toYaml(value), { version })).toEqual(value);
  });
  fc.assert(isReadAgain, { numRuns: 2000 });
});

test("a workflow is readable", () => {
  const step = { call: "http.post", args: { url: "${url}", timeout: 1800 }, next: "open" };
  expect(
    toYaml({ main: { params: ["args"], steps: [{ advance: step }, { end: { return: "${a}" } }] } }),
  ).toBe(`main:
  params:
    - args
  steps:
    - advance:
        call: http.post
        args:
          url: \${url}
          timeout: 1800
        next: open
    - end:
        return: \${a}
`);
});
