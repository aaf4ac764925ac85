import type { ApiReply } from "../../core/client/serve.ts";
import { bundleSource } from "../../core/deployments/bundle-source.ts";
import { Runtime } from "../../core/engine/runtime.ts";
import { KitaruUsageError, messageOf } from "../../core/errors.ts";
import type { Capabilities } from "../../core/ports/backend.ts";
import { azureBackend } from "./backend.ts";
import { advanceMs, azureCapabilities } from "./capabilities.ts";
import type { AzureClientOptions } from "./clients/config.ts";
import {
  type AppMessage,
  type LoopDirective,
  type LoopTask,
  loopDirective,
  readPage,
} from "./directive.ts";
import type { DurableClient } from "./durable.ts";
import { generationOf, instanceId, readToken, wakeToken } from "./durable-ids.ts";
import type { Instances } from "./orchestrator.ts";
import { functionNames } from "./names.ts";
import {
  type AdvanceInput,
  type CrashedInput,
  type LoopInput,
  type PageInput,
  type TaskInput,
} from "./orchestrator-loop.ts";

/**
 * Take an execution as far as it can go within the time of the activity. It is parked at once when it has to wait: an event
 * that comes before its orchestration waits for it is kept.
 */
export async function advance(
  { executionId, owner, turn }: AdvanceInput,
  client: DurableClient,
): Promise<LoopDirective> {
  const { host, backend } = runtimeOf(client);
  const directive = await host.advance({
    executionId,
    owner,
    generation: generationOf(owner),
    deadline: Date.now() + timeMs(),
  });
  if (directive.kind === "end" && directive.ended?.status === "cancelled")
    await endInstance(client, owner, "cancelled");
  return loopDirective(directive, {
    executionId,
    turn,
    blobs: backend.blobs,
    park: ({ seen, wakeAt }) =>
      host.park({ executionId, seen, wakeAt, token: wakeToken(owner, turn) }),
  });
}

/** Run one isolated attempt. */
export async function task(
  { executionId, callId, attempt }: TaskInput,
  client: DurableClient,
): Promise<null> {
  await runtimeOf(client).host.task({ executionId, callId, attempt });
  return null;
}

/** Store that an isolated attempt died. */
export async function crashed(
  { executionId, callId, attempt, why }: CrashedInput,
  client: DurableClient,
): Promise<null> {
  await runtimeOf(client).host.crashed({ executionId, callId, attempt }, why);
  return null;
}

/** Read a page of isolated attempts. */
export async function list(
  { key, page }: Pick<PageInput, "key" | "page">,
  client: DurableClient,
): Promise<readonly LoopTask[]> {
  return readPage(runtimeOf(client).backend.blobs, { key, page });
}

/** Do what a client has put into the queue. What is no message of this package is thrown, and so set aside by the host. */
export async function receive(message: unknown, client: DurableClient): Promise<void> {
  await instancesOf(client).send(checkedMessage(message));
}

/** Wake or restart what is overdue. */
export async function sweep(client: DurableClient): Promise<{ readonly overdue: number }> {
  return { overdue: await runtimeOf(client).host.sweep() };
}

/** Serve another service, which has a key of the function. */
export async function api(event: unknown, client: DurableClient): Promise<ApiReply> {
  const { serve } = await import("../../core/client/serve.ts"); // the other functions never load it
  return serve(runtimeOf(client), event);
}

/** What is ended here would end by itself at its next advance, so this is best effort; the portal shows it at once. */
async function endInstance(client: DurableClient, instance: string, why: string): Promise<void> {
  try {
    await client.terminate(instance, why);
  } catch (error) {
    process.stderr.write(`The instance ${instance} could not be ended: ${messageOf(error)}\n`);
  }
}

/** Starts and wakes instances from inside the app. */
function instancesOf(client: DurableClient): Instances {
  return {
    send: async (message) => {
      if (message.op === "wake") {
        const found = readToken(message.token);
        return found !== undefined && client.raise(found.instance, found.event);
      }
      const { executionId, flow, generation } = message;
      if (generation > 1)
        await endInstance(client, instanceId(executionId, generation - 1), "restarted");
      const input: LoopInput = { executionId, flow };
      await client.start(functionNames.loop, instanceId(executionId, generation), input);
      return true;
    },
  };
}

function checkedMessage(message: unknown): AppMessage {
  const given = (typeof message === "object" && message !== null ? message : {}) as Partial<
    Record<string, unknown>
  >;
  const { op, executionId, token, flow, generation } = given;
  const isWake = op === "wake" && typeof token === "string";
  const isStart = op === "start" && typeof flow === "string" && Number.isSafeInteger(generation);
  if (typeof executionId === "string" && (isWake || isStart)) return given as unknown as AppMessage;
  throw new KitaruUsageError(
    `The queue "${functionNames.messages}" reads has a message that is none of this package: ${JSON.stringify(message)?.slice(0, 200)}.`,
  );
}

let known: Runtime | undefined;
/** Addresses of the host may change while the process lives: the last invocation knows best. */
let current: DurableClient | undefined;

/** One runtime for the life of the process: what it has loaded stays warm. */
function runtimeOf(client: DurableClient): Runtime {
  current = client;
  known ??= openRuntime();
  return known;
}

function openRuntime(): Runtime {
  const name = setting("KITARU_AZURE_NAME");
  const backend = azureBackend({
    name,
    client: clientOptions(),
    capabilities: { ...azureCapabilities, ...retention() },
    instances: async () => ({ send: (message) => instancesOf(latestClient()).send(message) }),
  });
  return new Runtime({ stack: name, backend, bundles: bundleSource(backend.blobs) });
}

/** How long ended executions are kept, as the template says. */
function retention(): Pick<Capabilities, "retentionMs"> {
  const days = Number(process.env["KITARU_AZURE_RETENTION_DAYS"] ?? "");
  return days > 0 ? { retentionMs: days * 86_400_000 } : {};
}

function latestClient(): DurableClient {
  if (current === undefined) throw new TypeError("no function has been invoked");
  return current;
}

/** Where the services are, when not where the name says: in another cloud than the public one, or emulated. */
function clientOptions(): AzureClientOptions {
  const endpoints = process.env["KITARU_AZURE_ENDPOINTS"];
  const connectionString = process.env["KITARU_AZURE_CONNECTION_STRING"];
  return {
    ...(endpoints === undefined
      ? {}
      : { endpoints: JSON.parse(endpoints) as NonNullable<AzureClientOptions["endpoints"]> }),
    ...(connectionString === undefined ? {} : { connectionString }),
  };
}

/** Time an advance has, in milliseconds: less than `functionTimeout` of the app's host.json. */
function timeMs(): number {
  const seconds = process.env["KITARU_AZURE_ADVANCE_SECONDS"];
  return seconds === undefined ? advanceMs : Number(seconds) * 1000;
}

function setting(name: string): string {
  const value = process.env[name];
  if (value !== undefined && value !== "") return value;
  throw new KitaruUsageError(
    `The environment variable ${name} is not set. The function app of a runtime is created by the template of kitaru/infra/azure.`,
  );
}
