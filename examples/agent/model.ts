import { scriptedModel } from "kitaru/testing";

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
  return scriptedModel((question, _call, { prompt }) => {
    const results = prompt
      .flatMap((message) => (message.role === "tool" ? message.content : []))
      .filter((part) => part.type === "tool-result");
    const last = results.at(-1);
    if (last === undefined)
      return { toolCalls: [{ name: "searchHandbook", input: { words: question } }] };
    const text = last.output.type === "text" ? last.output.value : JSON.stringify(last.output);
    return last.toolName === "searchHandbook"
      ? { toolCalls: [{ name: "sendReply", input: { text } }] }
      : `The reply was handled: ${text}`;
  });
}
