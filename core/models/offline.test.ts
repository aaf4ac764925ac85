import fc from "fast-check";
import { expect, test } from "vitest";
import { extractAnswer } from "./offline.ts";

function extract(prompt: string, maxOutputTokens?: number): string {
  return extractAnswer(
    [{ role: "user", content: prompt }],
    maxOutputTokens === undefined ? {} : { maxOutputTokens },
  ).text;
}

test.each([
  [
    "the prompt itself",
    "Research: Durable agents. Return a brief.",
    "Research: Durable agents. Return a brief.",
  ],
  [
    "the material below an instruction",
    "Write a draft from this brief:\nAgents wait. They resume.\nThey end.",
    "Agents wait. They resume. They end.",
  ],
  ["the first three sentences", "One. Two! Three? Four.", "One. Two! Three?"],
  ["what follows the first instruction line", "Sum up:\n\nA list:\n- x", "A list: - x"],
  ["the instruction when nothing follows", "Sum up:\n  ", "Sum up:"],
  [
    "prose without headings and rules",
    "Sum up:\n# Title\n---\nText here. More.",
    "Text here. More.",
  ],
  ["headings when there is nothing else", "# Title", "# Title"],
  [
    "a full stop inside a word",
    "Version 1.2 of kitaru.dev is out. Yes.",
    "Version 1.2 of kitaru.dev is out. Yes.",
  ],
  ["quotes with their sentence", 'He said "go." Then left.', 'He said "go." Then left.'],
  ["text without a full stop", "no end in sight", "no end in sight"],
])("answers with %s", (_, prompt, answer) => {
  expect(extract(prompt)).toBe(answer);
});

test("stays short", () => {
  expect(extract("word ".repeat(1000)).length).toBeLessThanOrEqual(601);
  expect(extract(`${"a".repeat(500)}. ${"b".repeat(500)}.`)).toBe(`${"a".repeat(500)}.`);
  expect(extract("One two three four five.", 2)).toBe("One two…");
  expect(extract(`aaa😀${"b".repeat(600)}`, 1)).toBe("aaa…");
});

test("answers the last user message, in parts or not", () => {
  const { text } = extractAnswer([
    { role: "system", content: "Be brief." },
    { role: "user", content: "First." },
    { role: "assistant", content: "Answer." },
    {
      role: "user",
      content: [
        { type: "text", text: "Second." },
        { type: "image", image: "x" },
      ],
    },
    { role: "assistant", content: "Hm" },
  ]);
  expect(text).toBe("Second.");
  expect(extractAnswer([{ role: "assistant", content: "Only this." }]).text).toBe("Only this.");
  expect(extractAnswer([]).text).toBe("");
});

test("says what it is, and that its counts are estimates", () => {
  expect(extractAnswer([{ role: "user", content: "12345678" }])).toEqual({
    text: "12345678",
    inputTokens: 2,
    outputTokens: 2,
    metadata: {
      offline: true,
      tokensEstimated: true,
      note: "No model was asked: these are the leading sentences of the prompt.",
    },
  });
});

test("refuses a schema", () => {
  const refused = (): unknown => extractAnswer([{ role: "user", content: "x" }], { schema: {} });
  expect(refused).toThrow(/only writes text/);
  expect(refused).toThrow(expect.objectContaining({ code: "usage" }));
});

test("any text gives a short answer, the same each time", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (prompt) => {
      const answer = extract(prompt);
      expect(answer).toBe(extract(prompt));
      expect(answer.length).toBeLessThanOrEqual(601);
      expect(prompt.trim() === "" || answer !== "").toBe(true);
    }),
  );
});
