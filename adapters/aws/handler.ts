import { Runtime } from "../../core/engine/runtime.ts";
import { bundleSource } from "../../core/deployments/bundle-source.ts";
import type { Capabilities } from "../../core/ports/backend.ts";
import type { AdvanceParams, Directive, TaskRef } from "../../core/ports/orchestrator.ts";
import { awsCapabilities, marginMs } from "./capabilities.ts";
import { type AwsBackend, awsBackend } from "./backend.ts";
import type { ApiReply } from "../../core/client/serve.ts";
import { type MachineDirective, machineDirective } from "./directive.ts";
import { isNamed } from "./failure.ts";
import { generationOf } from "./names.ts";
import { report } from "./metrics.ts";
import { KitaruUsageError, messageOf } from "../../core/errors.ts";

export type { ApiEvent, ApiReply } from "../../core/client/serve.ts";

/** What Lambda tells a function of its invocation; the part this package uses. */
export interface LambdaContext {
  readonly invokedFunctionArn: string;
  readonly awsRequestId: string;
  getRemainingTimeInMillis(): number;
}

const hosted = new Map<string, Hosted>();

/** A runtime and what it stands on. */
interface Hosted {
  readonly runtime: Runtime;
  readonly backend: AwsBackend;
}

/** What a state machine asks the advance function for. */
export type AdvanceEvent =
  | {
      readonly op: "advance";
      readonly executionId: string;
      readonly owner: string;
      /** ARN of the state machine's execution. */
      readonly machine: string;
    }
  | {
      readonly op: "begin";
      readonly executionId: string;
      readonly owner: string;
      /** ARN of the state machine to start when the execution has to wait. */
      readonly machine: string;
    }
  | ({ readonly op: "crashed"; readonly why: string } & TaskRef);

/** Take an execution as far as it can go within the time of the invocation. */
export async function advance(
  event: AdvanceEvent,
  context: LambdaContext,
): Promise<MachineDirective | null> {
  const host = hostOf(context);
  switch (event.op) {
    case "advance":
      return advanceOnce(host, event, context);
    case "begin":
      await begin(host, event, context);
      return null;
    case "crashed": {
      const { executionId, callId, attempt, why } = event;
      await host.runtime.host.crashed({ executionId, callId, attempt }, why);
      return null;
    }
  }
}

/** What a state machine asks the park function for. */
export interface ParkEvent {
  readonly op: "park";
  readonly executionId: string;
  readonly seen: string;
  readonly wakeAt: number;
  readonly token: string;
}

/** Keep the token that wakes a machine, or wake it at once when something has arrived since. */
export async function park(
  { executionId, seen, wakeAt, token }: ParkEvent,
  context: LambdaContext,
): Promise<null> {
  const { runtime, backend } = hostOf(context);
  const isParked = await runtime.host.park({ executionId, seen, wakeAt, token });
  if (!isParked) await backend.orchestrator.wake(token, executionId);
  return null;
}

/** Run one isolated attempt. */
export async function task(event: TaskRef, context: LambdaContext): Promise<null> {
  const { executionId, callId, attempt } = event;
  await hostOf(context).runtime.host.task({ executionId, callId, attempt });
  return null;
}

/** Wake or restart what is overdue. */
export async function sweep(_event: unknown, context: LambdaContext): Promise<{ overdue: number }> {
  const overdue = await hostOf(context).runtime.host.sweep();
  report(stackName(), { OverdueExecutions: overdue });
  return { overdue };
}

/** Serve another service, which calls the function through IAM; nothing of a runtime is public. */
export async function api(event: unknown, context: LambdaContext): Promise<ApiReply> {
  const { serve } = await import("../../core/client/serve.ts"); // the other functions never load it
  return serve(hostOf(context).runtime, event);
}

async function advanceOnce(
  { runtime, backend }: Hosted,
  { executionId, owner, machine }: AdvanceEvent & { op: "advance" },
  context: LambdaContext,
): Promise<MachineDirective> {
  const directive = await runtime.host.advance(claim(executionId, owner, context));
  countEnd(directive);
  if (directive.kind === "end" && directive.ended?.status === "cancelled")
    await stopMachine(backend, machine, executionId);
  return machineDirective(directive, { executionId, now: Date.now(), blobs: backend.blobs });
}

/**
 * Run an execution whose state machine is started only when it has to wait. The machine's first advance takes over at
 * once, because it has the same owner; should this invocation be lost, the sweep starts the machine.
 */
async function begin(
  { runtime, backend }: Hosted,
  { executionId, owner, machine }: AdvanceEvent & { op: "begin" },
  context: LambdaContext,
): Promise<void> {
  const directive = await runtime.host.advance(claim(executionId, owner, context));
  countEnd(directive);
  if (directive.kind === "end") return;
  try {
    const machines = await backend.machines();
    await machines.start({
      stateMachineArn: machine,
      name: owner,
      input: JSON.stringify({ executionId, owner }),
    });
  } catch (error) {
    if (!isNamed(error, "ExecutionAlreadyExists")) throw error;
  }
}

/** A cancelled execution aborts its machine, so that the console shows what happened. Best effort: it ends anyway. */
async function stopMachine(
  backend: AwsBackend,
  machine: string,
  executionId: string,
): Promise<void> {
  try {
    const machines = await backend.machines();
    await machines.stop(machine, executionId);
  } catch (error) {
    process.stderr.write(
      `The machine of ${executionId} could not be stopped: ${messageOf(error)}\n`,
    );
  }
}

function countEnd(directive: Directive): void {
  if (directive.kind === "end" && directive.ended?.status === "failed")
    report(stackName(), { FailedExecutions: 1 });
}

/** Who advances, and for how long. */
function claim(executionId: string, owner: string, context: LambdaContext): AdvanceParams {
  const deadline = Date.now() + context.getRemainingTimeInMillis() - marginMs;
  return { executionId, owner, generation: generationOf(owner), deadline };
}

/** One runtime for the life of the process: what it has loaded stays warm. */
function hostOf(context: LambdaContext): Hosted {
  const name = stackName();
  const known = hosted.get(name);
  if (known !== undefined) return known;
  const advanceArn = siblingArn(context.invokedFunctionArn, `kitaru-${name}-advance`);
  const backend = awsBackend({
    name,
    table: setting("KITARU_AWS_TABLE"),
    bucket: setting("KITARU_AWS_BUCKET"),
    mode: process.env["KITARU_AWS_ORCHESTRATOR"] === "onSuspend" ? "onSuspend" : "always",
    client: {},
    capabilities: { ...awsCapabilities, ...retention() },
    advanceArn: async () => advanceArn,
  });
  const runtime = new Runtime({ stack: name, backend, bundles: bundleSource(backend.blobs) });
  const host: Hosted = { runtime, backend };
  hosted.set(name, host);
  return host;
}

/** How long ended executions are kept, as KitaruRuntime says. */
function retention(): Pick<Capabilities, "retentionMs"> {
  const days = Number(process.env["KITARU_AWS_RETENTION_DAYS"] ?? "");
  return days > 0 ? { retentionMs: days * 86_400_000 } : {};
}

function stackName(): string {
  return setting("KITARU_AWS_NAME");
}

function setting(name: string): string {
  const value = process.env[name];
  if (value !== undefined && value !== "") return value;
  throw new KitaruUsageError(
    `The environment variable ${name} is not set. The functions of a runtime are created by KitaruRuntime of kitaru/infra/aws.`,
  );
}

function siblingArn(functionArn: string, name: string): string {
  return [...functionArn.split(":").slice(0, 6), name].join(":");
}
