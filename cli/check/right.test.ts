import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type Checked, checkFiles } from "./check.ts";

const folder = fileURLToPath(new URL("fixtures/right", import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".ts"));

function check(name: string, edit: (text: string) => string = (text) => text): Checked {
  const read = (path: string): string | undefined => {
    try {
      return edit(readFileSync(path, "utf8"));
    } catch {
      return undefined;
    }
  };
  return checkFiles({ paths: [join(folder, name)], read });
}

test.each(files)("nothing is found in %s, which is right", (name) => {
  const { findings, flows, checkpoints } = check(name);
  expect(findings).toEqual([]);
  expect([flows > 0, checkpoints > 0]).toEqual([true, true]);
});

test("the same programs with one thing wrong", () => {
  const broken = (name: string, from: string | RegExp, to: string): string[] =>
    check(name, (text) => text.replaceAll(from, to)).findings.map(
      ({ rule, source }) => `${rule}: ${source.trim()}`,
    );
  expect(broken("saga.ts", "uuid())", "crypto.randomUUID())")).toEqual([
    "random: for (const kind of kinds) done.push(await book(kind, crypto.randomUUID()));",
  ]);
  expect(broken("saga.ts", "await compensate()", "compensate()")).toEqual([
    "unawaited: compensate();",
  ]);
  expect(broken("saga.ts", "await undo(", "undo(")).toEqual([
    "unawaited: for (const booking of done.toReversed()) undo(booking);",
  ]);
  expect(broken("research.ts", "stats.mean", "stats.age").map((one) => one.split(":")[0])).toEqual([
    "clock",
    "clock",
  ]);
  expect(broken("research.ts", "await Promise.all(part", "Promise.all(part")).toEqual([
    "unawaited: for (const part of chunked(topics, 2)) Promise.all(part.map(again));",
  ]);
  expect(broken("research.ts", "(await approve(", "(approve(").length).toBe(1);
  expect(broken("agent.ts", "execute: () => now()", "execute: () => Date.now()").length).toBe(1);
  expect(broken("agent.ts", "execute: readPage", "execute: ({ url }) => fetch(url)").length).toBe(
    1,
  );
  expect(broken("agent.ts", /durableModel\((.*),.*\);/g, "$1;").toSorted()).toEqual([
    "for-await: for await (const part of textStream) short += part;",
    expect.stringMatching(/^network: const \{ text \} = await generateText/),
    expect.stringMatching(/^network: const \{ textStream \} = streamText/),
  ]);
  expect(broken("polling.ts", " now() + 60_000", " Date.now() + 60_000").length).toBe(1);
  expect(broken("polling.ts", "const setTimeout = (ms: number) => kitaru.sleep(ms);", "")).toEqual([
    "timer: await setTimeout(5);",
  ]);
  expect(broken("polling.ts", "await steps.gate?.()", "steps.gate?.()")).toEqual([
    "unawaited: steps.gate?.();",
  ]);
  expect(broken("classes.ts", "new Date(now())", "new Date()").length).toBe(1);
  expect(broken("classes.ts", "this.#seen;", "this.uptime();").length).toBe(2);
  expect(broken("classes.ts", "started: now()", "started: Date.now()").length).toBe(1);
  expect(broken("classes.ts", "let total = runs;", "let total = runs++;").length).toBe(1);
});
