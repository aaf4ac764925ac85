import { MockLanguageModelV4 } from "ai/test";

/** The model the agent asks, and a line about it for people. */
export const chosen = await chooseModel(process.env);

/** A provider's model where a key is set, else a script. */
async function chooseModel(env: NodeJS.ProcessEnv) {
  if (env["OPENAI_API_KEY"]) {
    const { openai } = await import("@ai-sdk/openai");
    const name = env["AGENT_MODEL"] ?? "gpt-5-mini";
    return { model: openai(name), note: `Model: openai/${name}` };
  }
  if (env["ANTHROPIC_API_KEY"]) {
    const { anthropic } = await import("@ai-sdk/anthropic");
    const name = env["AGENT_MODEL"] ?? "claude-haiku-4-5";
    return { model: anthropic(name), note: `Model: anthropic/${name}` };
  }
  const note =
    "No OPENAI_API_KEY or ANTHROPIC_API_KEY is set: a script stands in for the model. It searches for the words of the question and replies with what it finds.";
  return { model: makeScript(), note };
}

/**
 * Decides by the conversation alone, as a model does: after a crash the recorded calls are not asked again, so counting
 * calls would lead astray.
 */
function makeScript() {
  return new MockLanguageModelV4({
    provider: "scripted",
    modelId: "script",
    doGenerate: async ({ prompt }) => {
      const content = decide(prompt);
      const unified = content.type === "text" ? "stop" : "tool-calls";
      const count = (total: number) => ({ total, noCache: total, cacheRead: 0, cacheWrite: 0 });
      return {
        content: [content],
        finishReason: { unified, raw: undefined },
        usage: { inputTokens: count(10), outputTokens: { total: 5, text: 5, reasoning: 0 } },
        warnings: [],
      };
    },
  });
}

type Options = Parameters<MockLanguageModelV4["doGenerate"]>[0];
type Content = Awaited<ReturnType<MockLanguageModelV4["doGenerate"]>>["content"][number];

/** Search for the words of the question, send what was found, and say so. */
function decide(prompt: Options["prompt"]): Content {
  const results = prompt
    .flatMap((message) => (message.role === "tool" ? message.content : []))
    .filter((part) => part.type === "tool-result");
  const call = (toolName: string, input: object): Content => ({
    type: "tool-call",
    toolCallId: `call-${results.length}`,
    toolName,
    input: JSON.stringify(input),
  });
  const last = results.at(-1);
  if (last === undefined) return call("searchHandbook", { words: questionOf(prompt) });
  const text = last.output.type === "text" ? last.output.value : JSON.stringify(last.output);
  return last.toolName === "searchHandbook"
    ? call("sendReply", { text })
    : { type: "text", text: `The reply was handled: ${text}` };
}

function questionOf(prompt: Options["prompt"]): string {
  const asked = prompt.findLast((message) => message.role === "user");
  return (asked?.content ?? []).map((part) => (part.type === "text" ? part.text : "")).join(" ");
}
