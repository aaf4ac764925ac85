import { setTimeout as pause } from "node:timers/promises";
import { bundleSource } from "../../core/deployments/bundle-source.ts";
import { Runtime } from "../../core/engine/runtime.ts";
import { KitaruStateError, KitaruUsageError, isKitaruError, messageOf } from "../../core/errors.ts";
import type { Capabilities } from "../../core/ports/backend.ts";
import type { ParkDirective } from "../../core/ports/orchestrator.ts";
import { gcpBackend } from "./backend.ts";
import { gcpCapabilities, longestAdvanceMs, marginMs } from "./capabilities.ts";
import {
  type AdvanceRequest,
  type PageRequest,
  type WorkflowDirective,
  leave,
  pageKey,
  workflowDirective,
} from "./directive.ts";
import { type Callers, refusalOf } from "./identity.ts";
import { report } from "./metrics.ts";
import { checkedRequest } from "./request.ts";
import { detachedToken, readToken } from "./tokens.ts";

export type { ApiEvent, ApiReply } from "../../core/client/serve.ts";

/** What the functions framework hands to an HTTP function; the part this package uses. */
export interface HttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Parsed JSON. */
  readonly body?: unknown;
}

/** What an HTTP function answers with; the part this package uses. */
export interface HttpResponse {
  status(code: number): HttpResponse;
  json(body: unknown): unknown;
}

const runtimes = new Map<string, Runtime>();

/** Take an execution as far as it can go within the time of the request, and what else a workflow asks for. */
export async function advance(request: HttpRequest, response: HttpResponse): Promise<void> {
  const deadline = Date.now() + Math.min(longestAdvanceMs, timeoutMs()) - marginMs;
  await answer(request, response, async (runtime) => {
    const asked = checkedRequest(request.body);
    switch (asked.op) {
      case "advance":
        return advanceOnce(runtime, asked, deadline);
      case "page":
        return readPage(runtime, asked);
      case "crashed": {
        const { executionId, callId, attempt, why } = asked;
        await runtime.host.crashed({ executionId, callId, attempt }, why);
        return {};
      }
      case "task":
        throw new KitaruUsageError('`op` is "task". It is asked of a task function.');
    }
  });
}

/** Run one isolated attempt. */
export async function task(request: HttpRequest, response: HttpResponse): Promise<void> {
  await answer(request, response, async (runtime) => {
    const asked = checkedRequest(request.body);
    if (asked.op !== "task")
      throw new KitaruUsageError(`\`op\` is "${asked.op}". A task function runs tasks.`);
    const { executionId, callId, attempt } = asked;
    await runtime.host.task({ executionId, callId, attempt });
    return {};
  });
}

/** Wake or restart what is overdue. */
export async function sweep(request: HttpRequest, response: HttpResponse): Promise<void> {
  await answer(request, response, async (runtime) => {
    const overdue = await runtime.host.sweep();
    report(stackName(), { OverdueExecutions: overdue });
    return { overdue };
  });
}

/** Serve another service, which Cloud Run lets in through IAM; nothing of a runtime is public. */
export async function api(request: HttpRequest, response: HttpResponse): Promise<void> {
  await answer(request, response, async (runtime) => {
    const { serve } = await import("../../core/client/serve.ts"); // the other functions never load it
    return serve(runtime, request.body);
  });
}

/** Check the caller, do what it asks, and say what became of it in a status a workflow understands. */
async function answer(
  { method, headers }: HttpRequest,
  response: HttpResponse,
  work: (runtime: Runtime) => Promise<unknown>,
): Promise<void> {
  try {
    if (method !== "POST") return void response.status(405).json(said("Send a POST request."));
    const { authorization } = headers;
    const token = typeof authorization === "string" ? authorization : undefined;
    const refusal = await refusalOf(token, callers());
    if (refusal !== undefined)
      return void response.status(refusal.status).json(said(refusal.message));
    response.status(200).json(await work(runtimeOf()));
  } catch (error) {
    const status = statusOf(error);
    const message = messageOf(error);
    process.stderr.write(`${JSON.stringify({ severity: "ERROR", message: stackOf(error) })}\n`);
    response.status(status).json(said(message));
  }
}

function said(message: string): object {
  return { error: message };
}

/** What another try cannot mend is told apart from what it may. */
function statusOf(error: unknown): number {
  if (error instanceof KitaruStateError && error.code === "not_found") return 404;
  if (error instanceof KitaruUsageError) return 400;
  return isKitaruError(error) ? 503 : 500;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function advanceOnce(
  runtime: Runtime,
  { executionId, generation, workflow, callbackUrl, after }: AdvanceRequest,
  deadline: number,
): Promise<WorkflowDirective> {
  const token = readToken(callbackUrl);
  if (
    token?.kind !== "callback" ||
    token.execution.split("/").at(-1) !== workflow.split("/").at(-1)
  )
    throw new KitaruUsageError(
      `\`callbackUrl\` of "advance" is ${JSON.stringify(callbackUrl)}. It must be that of an endpoint of ${workflow}.`,
    );
  if (typeof after === "string") await untilGone(runtime, after);
  const params = { executionId, owner: workflow, generation, deadline };
  const directive = await runtime.host.advance(params);
  if (directive.kind === "end" && directive.ended?.status === "failed")
    report(stackName(), { FailedExecutions: 1 });
  if (directive.kind === "park" && isLong(directive)) {
    const isParked = await park(
      runtime,
      executionId,
      directive,
      detachedToken(workflow, generation),
    );
    return isParked ? leave : { ...leave, kind: "advance", epoch: directive.epoch };
  }
  if (directive.kind === "park" && !(await park(runtime, executionId, directive, callbackUrl)))
    return { ...leave, kind: "advance", epoch: directive.epoch };
  const { blobs } = runtime.backend;
  return workflowDirective(directive, { executionId, now: Date.now(), blobs });
}

function park(
  { host }: Runtime,
  executionId: string,
  { seen, wakeAt }: ParkDirective,
  token: string,
): Promise<boolean> {
  return host.park({ executionId, seen, wakeAt, token });
}

/** Whether a wait is one that no workflow is kept for. */
function isLong({ wakeAt }: ParkDirective): boolean {
  const detachMs = Number(process.env["KITARU_GCP_DETACH_MS"] ?? Infinity);
  return wakeAt - Date.now() > detachMs;
}

/** Longest time the workflow that this one goes on for may take to end, in milliseconds. */
const longestEndMs = 15_000;

/** A workflow that another goes on for ends right after it has started that one; until then it owns the execution. */
async function untilGone({ backend }: Runtime, owner: string): Promise<void> {
  const deadline = Date.now() + longestEndMs;
  while (Date.now() < deadline) {
    if ((await backend.orchestrator.isGone?.(owner)) !== false) return;
    await pause(250);
  }
}

async function readPage({ backend }: Runtime, { key, page }: PageRequest): Promise<object> {
  const bytes = await backend.blobs.get(pageKey(key, page));
  if (bytes === undefined)
    throw new KitaruStateError(`There is no page ${page} of the tasks ${key}.`, {
      code: "not_found",
    });
  return { tasks: JSON.parse(new TextDecoder().decode(bytes)) as unknown };
}

/** One runtime for the life of the process: what it has loaded stays warm. */
function runtimeOf(): Runtime {
  const name = stackName();
  const known = runtimes.get(name);
  if (known !== undefined) return known;
  const backend = gcpBackend({
    name,
    project: setting("KITARU_GCP_PROJECT"),
    region: setting("KITARU_GCP_REGION"),
    database: setting("KITARU_GCP_DATABASE"),
    bucket: setting("KITARU_GCP_BUCKET"),
    client: {},
    capabilities: { ...gcpCapabilities, ...retention() },
  });
  const runtime = new Runtime({ stack: name, backend, bundles: bundleSource(backend.blobs) });
  runtimes.set(name, runtime);
  return runtime;
}

/** How long ended executions are kept, as kitaruRuntime() says. */
function retention(): Pick<Capabilities, "retentionMs"> {
  const days = Number(process.env["KITARU_GCP_RETENTION_DAYS"] ?? "");
  return days > 0 ? { retentionMs: days * 86_400_000 } : {};
}

function callers(): Callers {
  const accounts = process.env["KITARU_GCP_CALLERS"] ?? "";
  const keysUrl = process.env["KITARU_GCP_KEYS_URL"];
  return {
    audience: setting("KITARU_GCP_AUDIENCE"),
    isBehindIam: process.env["KITARU_GCP_INGRESS"] === "iam",
    ...(accounts === "" ? {} : { accounts: accounts.split(",") }),
    ...(keysUrl === undefined ? {} : { keysUrl }),
  };
}

function stackName(): string {
  return setting("KITARU_GCP_NAME");
}

function timeoutMs(): number {
  return Number(setting("KITARU_GCP_TIMEOUT_SECONDS")) * 1000;
}

function setting(name: string): string {
  const value = process.env[name];
  if (value !== undefined && value !== "") return value;
  throw new KitaruUsageError(
    `The environment variable ${name} is not set. The functions of a runtime are created by kitaruRuntime() of kitaru/infra/gcp.`,
  );
}
