import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Protocols a {@link ModelServer} speaks; the path of a request decides. */
export type ModelProtocol = "openai-chat" | "openai-responses" | "anthropic" | "google" | "bedrock";

/** One request as it arrived. */
export interface ModelRequest {
  readonly protocol: ModelProtocol;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
  /** Text of the last message. */
  readonly prompt: string;
  /** Number of the request, from 0. */
  readonly index: number;
}

/** What the server answers. Text is an answer of that text. */
export type ModelReply =
  | string
  | {
      readonly text?: string;
      readonly toolCalls?: readonly { readonly name: string; readonly input: unknown }[];
      /** Any but 200 is an error whose message is `text`. @default 200 */
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      /** Milliseconds before the answer. */
      readonly delayMs?: number;
      /** Never answer; the connection ends with the server. */
      readonly hang?: boolean;
      /** Close the connection without an answer. */
      readonly drop?: boolean;
      /** Body sent as it is, whatever the protocol. */
      readonly raw?: string;
      readonly inputTokens?: number;
      readonly outputTokens?: number;
      /** In the words of the protocol's own. @default "stop" or its like */
      readonly finishReason?: string;
    };

/** A model provider on the loopback interface. */
export interface ModelServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`; base URLs are this with the protocol's path, such as `/v1`. */
  readonly url: string;
  /** Every request so far, in order. */
  readonly requests: readonly ModelRequest[];
  close(): Promise<void>;
}

/** Options of {@link modelServer}. */
export interface ModelServerOptions {
  /** @default echoes the prompt */
  readonly respond?: (request: ModelRequest) => ModelReply | Promise<ModelReply>;
}

type Reply = Exclude<ModelReply, string>;

/** Start a server that speaks the protocols of OpenAI (chat and responses), Anthropic, Google and Bedrock. */
export async function modelServer(options: ModelServerOptions = {}): Promise<ModelServer> {
  const respond = options.respond ?? (({ prompt }: ModelRequest) => `You said: ${prompt}`);
  const requests: ModelRequest[] = [];
  const answer = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const request = await readRequest(incoming, requests.length);
    requests.push(request);
    await send(outgoing, request, await replyTo(respond, request));
  };
  const server = createServer((incoming, outgoing) => {
    // What arrives broken, or breaks off, gets no answer.
    answer(incoming, outgoing).catch((error: unknown) => outgoing.destroy(toError(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> => closeServer(server);
  return { url: `http://127.0.0.1:${port}`, requests, close, [Symbol.asyncDispose]: close };
}

/** A script that throws is an error no client retries, with its message. */
async function replyTo(
  respond: (request: ModelRequest) => ModelReply | Promise<ModelReply>,
  request: ModelRequest,
): Promise<Reply> {
  try {
    const given = await respond(request);
    return typeof given === "string" ? { text: given } : given;
  } catch (error) {
    return { status: 400, text: `respond() failed: ${toError(error).message}` };
  }
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function readRequest(incoming: IncomingMessage, index: number): Promise<ModelRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const body = JSON.parse(Buffer.concat(chunks).toString("utf8") || "{}") as Record<
    string,
    unknown
  >;
  const path = incoming.url ?? "/";
  const protocol = protocolOf(path);
  return { protocol, path, headers: incoming.headers, body, prompt: promptOf(body), index };
}

function protocolOf(path: string): ModelProtocol {
  if (path.endsWith("/messages")) return "anthropic";
  if (path.endsWith("/responses")) return "openai-responses";
  if (/:(?:stream)?[gG]enerateContent/.test(path)) return "google";
  if (path.includes("/converse")) return "bedrock";
  return "openai-chat";
}

/** The last text anywhere in the list of messages, whatever the protocol calls its fields. */
function promptOf(body: Readonly<Record<string, unknown>>): string {
  const messages = body["messages"] ?? body["input"] ?? body["contents"];
  const last: unknown = Array.isArray(messages) ? messages.at(-1) : messages;
  return textIn(last) ?? "";
}

function textIn(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(textIn).findLast((text) => text !== undefined);
  if (typeof value !== "object" || value === null) return undefined;
  const { text, content, parts } = value as Record<string, unknown>;
  return textIn(text) ?? textIn(content) ?? textIn(parts);
}

async function send(outgoing: ServerResponse, request: ModelRequest, reply: Reply): Promise<void> {
  if (reply.hang === true) return;
  if (reply.drop === true) {
    outgoing.destroy();
    return;
  }
  if (reply.delayMs !== undefined) {
    const { delayMs } = reply;
    await new Promise((resolve) => setTimeout(resolve, delayMs));
  }
  const { status = 200 } = reply;
  const streams = request.body["stream"] === true && status === 200 && reply.raw === undefined;
  outgoing.writeHead(status, {
    "content-type": streams ? "text/event-stream" : "application/json",
    ...reply.headers,
  });
  outgoing.end(
    streams ? chatStream(request, reply) : (reply.raw ?? bodyOf(request, reply, status)),
  );
}

function bodyOf(request: ModelRequest, reply: Reply, status: number): string {
  if (status !== 200) return JSON.stringify(errorBody(request, reply, status));
  return JSON.stringify(writers[request.protocol](request, reply));
}

function errorBody(
  { protocol }: ModelRequest,
  { text = "injected" }: Reply,
  status: number,
): unknown {
  if (protocol === "bedrock") return { message: text };
  if (protocol === "google") return { error: { code: status, message: text, status: "ERROR" } };
  if (protocol === "anthropic")
    return { type: "error", error: { type: "api_error", message: text } };
  return { error: { message: text, type: "injected", param: null, code: null } };
}

const writers: Record<ModelProtocol, (request: ModelRequest, reply: Reply) => unknown> = {
  "openai-chat": chatBody,
  "openai-responses": responsesBody,
  anthropic: anthropicBody,
  google: googleBody,
  bedrock: bedrockBody,
};

function tokensOf({ inputTokens = 11, outputTokens = 7 }: Reply): {
  input: number;
  output: number;
} {
  return { input: inputTokens, output: outputTokens };
}

function chatUsage(reply: Reply): unknown {
  const { input, output } = tokensOf(reply);
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}

function chatToolCalls({ index }: ModelRequest, { toolCalls }: Reply): unknown {
  return toolCalls?.map(({ name, input }, place) => ({
    index: place,
    id: `call_${index}_${place}`,
    type: "function",
    function: { name, arguments: JSON.stringify(input) },
  }));
}

function chatFinish({ toolCalls, finishReason }: Reply): string {
  return finishReason ?? (toolCalls === undefined ? "stop" : "tool_calls");
}

function chatBody(request: ModelRequest, reply: Reply): unknown {
  const message = {
    role: "assistant",
    content: reply.text ?? null,
    tool_calls: chatToolCalls(request, reply),
  };
  return {
    ...chatEnvelope(request, "chat.completion"),
    choices: [{ index: 0, message, finish_reason: chatFinish(reply), logprobs: null }],
    usage: chatUsage(reply),
  };
}

function chatEnvelope({ index, body }: ModelRequest, object: string): Record<string, unknown> {
  return { id: `chatcmpl-${index}`, object, created: 1_700_000_000, model: body["model"] };
}

function chatStream(request: ModelRequest, reply: Reply): string {
  const words = reply.text?.match(/\S+\s*|\s+/g) ?? [];
  const deltas: unknown[] = words.map((content) => ({ role: "assistant", content }));
  if (reply.toolCalls !== undefined) {
    deltas.push({ role: "assistant", tool_calls: chatToolCalls(request, reply) });
  }
  const envelope = chatEnvelope(request, "chat.completion.chunk");
  const chunks = [
    ...deltas.map((delta) => ({
      ...envelope,
      choices: [{ index: 0, delta, finish_reason: null }],
    })),
    { ...envelope, choices: [{ index: 0, delta: {}, finish_reason: chatFinish(reply) }] },
    { ...envelope, choices: [], usage: chatUsage(reply) },
  ];
  return [...chunks.map((chunk) => JSON.stringify(chunk)), "[DONE]"]
    .map((data) => `data: ${data}\n\n`)
    .join("");
}

function responsesBody({ index, body }: ModelRequest, reply: Reply): unknown {
  const { input, output } = tokensOf(reply);
  const message = {
    type: "message",
    id: `msg_${index}`,
    role: "assistant",
    status: "completed",
    content: [{ type: "output_text", text: reply.text ?? "", annotations: [] }],
  };
  const calls = (reply.toolCalls ?? []).map(({ name, input: given }, place) => ({
    type: "function_call",
    id: `fc_${index}_${place}`,
    call_id: `call_${index}_${place}`,
    name,
    arguments: JSON.stringify(given),
  }));
  return {
    id: `resp_${index}`,
    object: "response",
    created_at: 1_700_000_000,
    model: body["model"],
    status: "completed",
    output: reply.text === undefined ? calls : [message, ...calls],
    usage: { input_tokens: input, output_tokens: output, total_tokens: input + output },
  };
}

function anthropicBody({ index, body }: ModelRequest, reply: Reply): unknown {
  const { input, output } = tokensOf(reply);
  const texts = reply.text === undefined ? [] : [{ type: "text", text: reply.text }];
  const calls = (reply.toolCalls ?? []).map(({ name, input: given }, place) => ({
    type: "tool_use",
    id: `toolu_${index}_${place}`,
    name,
    input: given,
  }));
  return {
    id: `msg_${index}`,
    type: "message",
    role: "assistant",
    model: body["model"],
    content: [...texts, ...calls],
    stop_reason: reply.finishReason ?? (calls.length > 0 ? "tool_use" : "end_turn"),
    stop_sequence: null,
    usage: { input_tokens: input, output_tokens: output },
  };
}

function googleBody(_request: ModelRequest, reply: Reply): unknown {
  const { input, output } = tokensOf(reply);
  const texts = reply.text === undefined ? [] : [{ text: reply.text }];
  const calls = (reply.toolCalls ?? []).map(({ name, input: args }) => ({
    functionCall: { name, args },
  }));
  return {
    candidates: [
      {
        content: { role: "model", parts: [...texts, ...calls] },
        finishReason: reply.finishReason ?? "STOP",
      },
    ],
    usageMetadata: {
      promptTokenCount: input,
      candidatesTokenCount: output,
      totalTokenCount: input + output,
    },
  };
}

function bedrockBody({ index }: ModelRequest, reply: Reply): unknown {
  const { input, output } = tokensOf(reply);
  const texts = reply.text === undefined ? [] : [{ text: reply.text }];
  const calls = (reply.toolCalls ?? []).map(({ name, input: given }, place) => ({
    toolUse: { toolUseId: `tool_${index}_${place}`, name, input: given },
  }));
  return {
    output: { message: { role: "assistant", content: [...texts, ...calls] } },
    stopReason: reply.finishReason ?? (calls.length > 0 ? "tool_use" : "end_turn"),
    usage: { inputTokens: input, outputTokens: output, totalTokens: input + output },
  };
}
