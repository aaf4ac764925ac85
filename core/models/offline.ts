import { KitaruUsageError } from "../errors.ts";
import type { LlmMessage } from "./request.ts";

/** What offline/extract answers. */
export interface ExtractedAnswer {
  readonly text: string;
  /** Estimated at four characters a token. */
  readonly inputTokens: number;
  /** Estimated at four characters a token. */
  readonly outputTokens: number;
  readonly metadata: Readonly<Record<string, unknown>>;
}

const mostSentences = 3;
const mostCharacters = 600;
const charactersPerToken = 4;

/**
 * Answer with the leading sentences of the prompt: deterministic, without a network, and no model at all.
 *
 * The rule: take the text of the last user message. If a line of it ends in a colon and something follows,
 * what follows is the material (`Write a draft from this brief:\n…`); if not, the whole text is. Markdown
 * headings, rules and empty lines are left out. The answer is the first three sentences of that, of at most
 * 600 characters, or fewer where `maxOutputTokens` asks for fewer.
 */
export function extractAnswer(
  messages: readonly LlmMessage[],
  options: { readonly schema?: unknown; readonly maxOutputTokens?: number } = {},
): ExtractedAnswer {
  if (options.schema !== undefined) {
    throw new KitaruUsageError(
      "llm(): offline/extract only writes text and cannot fill a schema. " +
        "Leave out schema, or name a real model and set its key.",
    );
  }
  const limit = Math.min(
    mostCharacters,
    (options.maxOutputTokens ?? mostCharacters) * charactersPerToken,
  );
  const text = leadingSentences(materialOf(lastUserText(messages)), limit);
  return {
    text,
    inputTokens: estimateTokens(messages.map(textOf).join("\n")),
    outputTokens: estimateTokens(text),
    metadata: {
      offline: true,
      tokensEstimated: true,
      note: "No model was asked: these are the leading sentences of the prompt.",
    },
  };
}

function lastUserText(messages: readonly LlmMessage[]): string {
  const last = messages.findLast((message) => message.role === "user") ?? messages.at(-1);
  return last === undefined ? "" : textOf(last);
}

function textOf({ content }: LlmMessage): string {
  if (typeof content === "string") return content;
  return content
    .map((part) => ("text" in part && typeof part.text === "string" ? part.text : ""))
    .filter((text) => text !== "")
    .join("\n");
}

function materialOf(text: string): string {
  const material = /:[ \t]*\r?\n([\s\S]*)/.exec(text)?.[1];
  return material === undefined || material.trim() === "" ? text : material;
}

function leadingSentences(material: string, limit: number): string {
  // A book may be pasted here; its first page is enough.
  const page = material.slice(0, 10_000);
  const prose = plainLines(page).join(" ").replaceAll(/\s+/g, " ").trim();
  const sentences = prose.match(/.+?(?:[.!?。！？]+["'”’)\]]*(?=\s|$)|$)/gu) ?? [];
  let text = "";
  for (const sentence of sentences.slice(0, mostSentences)) {
    if (text !== "" && text.length + sentence.length > limit) break;
    text += sentence;
  }
  return shorten(text.trim(), limit);
}

/** Lines that are prose; all of them when none is. */
function plainLines(material: string): readonly string[] {
  const lines = material.split(/\r?\n/);
  const prose = lines.filter(
    (line) => line.trim() !== "" && !/^\s*(?:#{1,6}\s|[-*_=]{3,}\s*$)/.test(line),
  );
  return prose.length > 0 ? prose : lines;
}

function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const cut = text.slice(0, limit);
  const space = cut.lastIndexOf(" ");
  // A cut may fall between the two halves of a character beyond U+FFFF.
  return `${(space > 0 ? cut.slice(0, space) : cut).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

function estimateTokens(text: string): number {
  return Math.ceil(text.length / charactersPerToken);
}
