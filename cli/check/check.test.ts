import { expect, test } from "vitest";
import { makeStyle } from "../text.ts";
import { type CheckParams, type Checked, checkFiles } from "./check.ts";
import { findingLines } from "./report.ts";
import type { Finding } from "./rules.ts";

type Files = Readonly<Record<string, string>>;

const head = `import { checkpoint, flow, wait } from "kitaru";\n`;

function check(files: Files, params: Partial<CheckParams> = {}): Checked {
  const paths = Object.keys(files).filter((path) => !path.includes("lib"));
  return checkFiles({ paths, read: (path) => files[path], ...params });
}

const found = (files: Files, params: Partial<CheckParams> = {}): string[] =>
  check(files, params).findings.map(
    ({ path, line, column, rule, severity }) =>
      `${path}:${line}:${column} ${severity === "error" ? "" : "warning "}${rule}`,
  );

const messages = (code: string): string[] =>
  check({ "/a.ts": head + code }).findings.map(({ message }) => message);

test("a message says what, in which flow, and what to do instead", () => {
  expect(
    messages(`
      const step = checkpoint("step", () => 1);
      const stamp = () => new Date().toISOString();
      export const review = flow("review", async () => {
        const at = Date.now();
        step();
        if (step()) await Promise.all([step()]);
        items.forEach(async () => step());
        return items.filter(async () => step()).length + stamp() + crypto.randomUUID();
      });
      const outer = checkpoint("outer", () => step());
      export const nameless = flow(someName(), async () => { review.run(); Math.random(); });
    `).toSorted(),
  ).toMatchInlineSnapshot(`
    [
      "Date.now() in flow "review" gives another time on every re-run. Use now() from "kitaru", or call it in a checkpoint.",
      "Math.random() in a flow gives another value on every re-run. Use random() from "kitaru", or call it in a checkpoint.",
      "The name of this flow is made while the program runs. Whether it is allowed and free cannot be checked: write it as text.",
      "The promise of step() in flow "review" is dropped: the flow may end before the call does, and its failure is lost. Await it, return it, or pass it to Promise.all().",
      "The promise of step() in flow "review" is used as if it were the result: a promise is always true, and has nothing of the result. Await it.",
      "crypto.randomUUID() in flow "review" gives another value on every re-run. Use uuid() from "kitaru", or call it in a checkpoint.",
      "filter() in flow "review" takes the promises of its function for answers: each of them is true. Await the durable calls first: await Promise.all(items.map(…)).",
      "forEach() in flow "review" drops the promises of its function, and with them durable calls. Use a for…of loop with await, or await Promise.all(items.map(…)).",
      "new Date() in stamp() (called by flow "review") gives another time on every re-run. Use new Date(now()) with now() from "kitaru", or call it in a checkpoint.",
      "review.run() in a flow acts on executions again on every re-run. Use .call(input) for a child execution, or do it in a checkpoint.",
      "step() in checkpoint "outer" throws: another checkpoint cannot be used in a checkpoint. Call it in the flow body, or call its plain function: .fn(…).",
    ]
  `);
});

test("definitions are found however kitaru is imported, and nowhere else", () => {
  const body = "async () => { Date.now(); }";
  const forms: Files = {
    named: `import { flow } from "kitaru"; flow("a", ${body});`,
    alias: `import { flow as define } from "kitaru"; define("a", { retries: 1 }, ${body});`,
    namespace: `import * as k from "kitaru"; k.flow("a", ${body}); k["flow"]("b", ${body});`,
    again: `import { flow } from "kitaru"; const define = flow; export const a = define("a", ${body});`,
    apart: `import * as k from "kitaru"; const { flow: f } = k; f("a", ${body});`,
    required: `const { flow } = require("kitaru"); flow("a", ${body});`,
    whole: `const k = require("kitaru"); k.flow("a", ${body});`,
    assigned: `import k = require("kitaru"); k.flow("a", ${body});`,
    demanded: `const { flow } = await import("kitaru"); flow("a", ${body});`,
    generic: `import { flow } from "kitaru"; (flow as Define)<number, string>("a", ${body});`,
    function: `import { flow } from "kitaru"; flow("a", function () { Date.now(); });`,
    apartBody: `import { flow } from "kitaru"; flow("a", body); async function body() { Date.now(); }`,
    method: `import { flow } from "kitaru"; const o = { body: ${body} }; flow("a", o.body);`,
    bound: `import { flow } from "kitaru"; class A { body() { Date.now(); } } const a = new A(); flow("a", a.body.bind(a));`,
    own: `import { flow } from "./lib/kitaru"; flow("a", ${body});`,
    everything: `import { flow } from "./lib/all"; flow("a", ${body});`,
    default: `export default k.flow("a", ${body}); import * as k from "kitaru";`,
  };
  const lib: Files = {
    "/lib/kitaru.ts": `export { flow } from "kitaru";`,
    "/lib/all.ts": `export * from "kitaru";`,
  };
  for (const [name, code] of Object.entries(forms)) {
    const rules = check({ [`/${name}.ts`]: code, ...lib }).findings.map(({ rule }) => rule);
    expect([name, new Set(rules)]).toEqual([name, new Set(["clock"])]);
  }
  const others: Files = {
    foreign: `import { flow } from "elsewhere"; flow("a", ${body});`,
    parameter: `import { flow } from "kitaru"; export const f = (flow) => flow("a", ${body});`,
    local: `import * as k from "kitaru"; { const k = other; k.flow("a", ${body}); }`,
    type: `import type { flow } from "kitaru"; import { type wait } from "kitaru"; flow("a", ${body}); wait("");`,
    reassigned: `import { flow } from "kitaru"; let f = flow; f = other; f("a", ${body});`,
    member: `import { flow } from "kitaru"; other.flow("a", ${body});`,
    missing: `import { flow } from "./lib/none"; flow("a", ${body});`,
  };
  for (const [name, code] of Object.entries(others))
    expect([name, found({ [`/${name}.ts`]: code, ...lib })]).toEqual([name, []]);
});

test("what is imported by relative paths is checked too, whoever imports whom", () => {
  const files: Files = {
    "/a.ts": `${head}import { b } from "./lib/b.ts"; export const a = 1; export const main = flow("main", async () => b());`,
    "/lib/b.ts": `import { a } from "../a.ts"; export const b = () => c() + a; export * from "./c.ts"; import { c } from "./b.ts";`,
    "/lib/c.ts": `export * from "./b.ts"; export const c = () => Date.now(); export { nothing } from "./c.ts";`,
    "/lib/unused.ts": `${head}flow("x", async () => Date.now());`,
  };
  expect(found(files)).toEqual(["/lib/c.ts:1:48 clock"]);
  expect(check(files)).toMatchObject({ files: 3, flows: 1, checkpoints: 0, waits: 0 });
});

test("a program about itself comes to an end", () => {
  const code = `${head}
    const a = { ...a, ...a, b: a.b }; class A extends A { x = this.x; y() { return super.y() + this.y(); } }
    class B extends C {} class C extends B {} const f = (n) => f(n) || g(n) || f(n - 1); const g = (n) => f(n) ?? g(n);
    const x = y.z, y = x.z; const o = { p: () => o.p(), get q() { return this.q; } };
    export const main = flow("main", async () => { a.c(); new A().y(); new B().z(); await f(1); x(); o.p(); o.q; main.call(); return g(o); });`;
  expect(found({ "/a.ts": code })).toEqual(["/a.ts:6:114 unawaited"]);
});

test("a file that does not parse is one error with its place, and the others are checked", () => {
  const files: Files = {
    "/a.ts": `${head}const é = "😀"; const x = ;\nfoo(`,
    "/b.ts": `${head}import "./a.ts"; flow("b", async () => Math.random());`,
  };
  const { findings } = check(files);
  expect(findings).toEqual([
    {
      path: "/a.ts",
      line: 2,
      column: 27,
      length: 1,
      rule: "syntax",
      severity: "error",
      message: "Unexpected token.",
      source: 'const é = "😀"; const x = ;',
    },
    expect.objectContaining({ path: "/b.ts", line: 2, column: 40, rule: "random" }),
  ]);
});

test("places are right after any kind of line end, tabs, and what is not ASCII", () => {
  const line = 'const 名 = "😀"; flow("a", async () => Date.now());';
  for (const end of ["\n", "\r\n", "\r", "\u2028"]) {
    const text = `${head.trim()}${end}${end}\t${line}${end}`;
    const [finding] = check({ "/a.ts": text }).findings;
    const isLine = end !== "\u2028"; // which ends a line for JavaScript, and for no editor
    expect(finding?.line).toBe(isLine ? 3 : 1);
    expect(finding?.source.slice(finding.column - 1, finding.column - 1 + finding.length)).toBe(
      "Date.now",
    );
  }
});

test("two definitions with one name are an error where one program loads both, else a warning", () => {
  const one = `${head}export const one = checkpoint("same", () => 1);`;
  const files: Files = { "/a.ts": one, "/b.ts": one.replace("one", "two") };
  expect(found(files)).toEqual(["/b.ts:2:31 warning duplicate-name"]);
  expect(found(files, { isOneProgram: true })).toEqual(["/b.ts:2:31 duplicate-name"]);
  const main = { "/main.ts": `import "./a.ts"; await import("./b.ts");` };
  expect(found({ ...main, ...files })).toEqual(["/b.ts:2:31 duplicate-name"]);
  const { findings } = check(files, { display: (path) => path.slice(1) });
  expect(findings[0]?.message).toMatch(/^"same" is the name of a checkpoint in a\.ts:2 too\./);
});

test("a comment silences a rule on its line or the next, and says why", () => {
  const flowOf = (code: string): Files => ({
    "/a.ts": `${head}flow("a", async () => {\n${code}\n});`,
  });
  const reason = "clock: shown only";
  expect(found(flowOf(`Date.now(); // kitaru-check-ignore ${reason}`))).toEqual([]);
  expect(found(flowOf(`// kitaru-check-ignore ${reason}\nDate.now();`))).toEqual([]);
  expect(found(flowOf(`/* kitaru-check-ignore ${reason} */ Date.now();`))).toEqual([]);
  expect(found(flowOf(`/*\n * kitaru-check-ignore ${reason}\n */\nDate.now();`))).toEqual([]);
  expect(
    found(
      flowOf(
        `// kitaru-check-ignore ${reason}\n// kitaru-check-ignore random: a dice\nDate.now() + Math.random();`,
      ),
    ),
  ).toEqual([]);
  // another rule, another line, two lines above
  expect(found(flowOf(`Math.random(); // kitaru-check-ignore ${reason}`))).toEqual([
    "/a.ts:3:1 random",
    "/a.ts:3:16 warning unused-ignore",
  ]);
  expect(found(flowOf(`// kitaru-check-ignore ${reason}\nnow();\nDate.now();`))).toEqual([
    "/a.ts:3:1 warning unused-ignore",
    "/a.ts:5:1 clock",
  ]);
  // no reason, no rule, none of that name
  for (const comment of ["clock", "clock:", "clock:  ", "clock shown only", "", "clocks: x", ": x"])
    expect([comment, found(flowOf(`Date.now(); // kitaru-check-ignore ${comment}`))]).toEqual([
      comment,
      ["/a.ts:3:1 clock", "/a.ts:3:13 ignore"],
    ]);
  expect(
    found(flowOf("// kitaru-check-ignored clock: no\nnow(); // see kitaru-check-ignore")),
  ).toEqual([]);
});

test("a comment in an imported file is not called unused: another flow may need it", () => {
  const files: Files = {
    "/a.ts": `${head}import { stamp } from "./lib/stamp.ts"; flow("a", async () => stamp.name);`,
    "/lib/stamp.ts":
      "export const stamp = () => Date.now(); // kitaru-check-ignore clock: shown only",
  };
  expect(found(files)).toEqual([]);
  expect(
    found({ ...files, "/a.ts": files["/a.ts"]?.replace("stamp.name", "stamp()") ?? "" }),
  ).toEqual([]);
});

test("each thing is said once, however many flows come to it", () => {
  const code = `${head}const stamp = () => Date.now();\nfor (const name of ["a", "b"]) flow("x", async () => stamp());\nflow("y", async () => stamp());`;
  expect(found({ "/a.ts": code })).toEqual(["/a.ts:2:21 clock"]);
});

test("the line of source is shown with marks below, cut where it is long", () => {
  const style = makeStyle(false);
  const finding: Finding = {
    path: "/a.ts",
    line: 12,
    column: 3,
    length: 4,
    rule: "clock",
    severity: "error",
    message: "Message.",
    source: "\t\tDate.now()",
  };
  expect(findingLines(finding, "a.ts", style)).toEqual([
    "a.ts:12:3  clock  Message.",
    "  12 │ \t\tDate.now()",
    "     │ \t\t^^^^",
  ]);
  const source = `${"x".repeat(300)}abcd${"y".repeat(300)}`;
  const long: Finding = { ...finding, severity: "warning", column: 301, source };
  const [first, text, marks] = findingLines(long, "a.ts", style);
  expect(first).toBe("a.ts:12:301  clock (warning)  Message.");
  expect(text?.length).toBeLessThan(130);
  expect(text?.slice(marks?.indexOf("^"), (marks?.lastIndexOf("^") ?? 0) + 1)).toBe("abcd");
});

test("thousands of lines are checked in well under a second", () => {
  const lines = Array.from({ length: 500 }, (_, n) => [
    `const helper${n} = (items) => items.map((item) => ({ ...item, at: now(), n: ${n} })).filter((item) => item.n > 1);`,
    `const step${n} = checkpoint("step_${n}", { retries: 2 }, async (input) => {`,
    `  const response = await fetch("https://example.com/${n}");`,
    `  return { ...(await response.json()), at: Date.now() };`,
    `});`,
    `export const flow${n} = flow("flow_${n}", async ({ items }) => {`,
    `  const found = await Promise.all(helper${n}(items).map(async (item) => step${n}(item)));`,
    `  for (const one of found) if (one.n > 3) await step${(n + 1) % 500}(one);`,
    `  return helper${(n + 1) % 500}(found);`,
    `});`,
  ]).flat();
  const text = `import { checkpoint, flow, now } from "kitaru";\n${lines.join("\n")}`;
  const before = process.threadCpuUsage();
  const { findings, flows } = check({ "/a.ts": text });
  const { user, system } = process.threadCpuUsage(before);
  expect([findings, flows]).toEqual([[], 500]);
  expect((user + system) / 1000).toBeLessThan(1000); // 5,000 lines; about 200 ms where nothing else runs
});
