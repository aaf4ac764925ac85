import { setTimeout as pause } from "node:timers/promises";
import { onDemand } from "../../../core/ports/on-demand.ts";
import { isNamed } from "../failure.ts";
import { type ExecutionsClient, type WorkflowsLibrary, workflowsLibrary } from "../sdk.ts";
import type { GcpClientOptions } from "./config.ts";
import { GoogleError, type RestReply, jsonOf, openRest } from "./rest.ts";
import { transportOf } from "./transport.ts";

/** A workflow to create. */
export interface NewWorkflow {
  readonly name: string;
  readonly description: string;
  readonly source: string;
  /** E-mail address of the account it runs as. */
  readonly account: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What became of a wake: taken, or there is nobody any more. */
export type Woken = "taken" | "gone";

/** The part of Workflows this package uses. Rejections are {@link GoogleError}s. */
export interface Workflows {
  /** Create a workflow; resolves once it can be executed. `parent` is its project and location. */
  create(parent: string, workflow: NewWorkflow): Promise<void>;
  /** Resolves once a workflow that another has created can be executed. */
  ready(workflow: string): Promise<void>;
  /** Execute a workflow. */
  start(workflow: string, argument: string): Promise<void>;
  /** Whether an execution has ended, or never was. */
  isOver(execution: string): Promise<boolean>;
  /** Call the callback endpoint at this path of the service. */
  wake(path: string): Promise<Woken>;
}

/** How long a workflow may take to be created, in milliseconds. */
const createMs = 120_000;

/**
 * Open a client. Executions go through Google's own client, over REST; it has no method for what creates workflows (Google
 * has removed that one) nor for callbacks, which are sent as they are. Six tries of a request. An execution whose creation
 * is repeated because its reply was lost is created twice: its second workflow finds the first as the owner of the
 * execution, and ends.
 */
export function openWorkflows(
  options: GcpClientOptions,
  library: () => Promise<WorkflowsLibrary> = workflowsLibrary,
): Workflows {
  const rest = openRest(options);
  const executions = onDemand(async (): Promise<ExecutionsClient> => {
    const { ExecutionsClient: Client } = await library();
    return new Client({ fallback: true, authClient: transportOf(rest, "executions") });
  });
  const active = async (workflow: string): Promise<boolean> => {
    const path = `/v1/${workflow}`;
    const reply = await rest.send({ service: "workflows", path, accept: [404] });
    return reply.status === 200 && jsonOf<{ readonly state?: string }>(reply).state === "ACTIVE";
  };
  return {
    create: async (parent, { name, description, source, account, labels }) => {
      const reply = await rest.send({
        service: "workflows",
        path: `/v1/${parent}/workflows?workflowId=${name}`,
        body: { description, labels, serviceAccount: account, sourceContents: source },
      });
      await until(name, () => isDone(reply, (path) => rest.send({ service: "workflows", path })));
    },
    ready: (workflow) => until(workflow, () => active(workflow)),
    start: async (parent, argument) => {
      const client = await executions();
      await said(client.createExecution({ parent, execution: { argument } }));
    },
    isOver: async (name) => {
      const client = await executions();
      try {
        const [{ state }] = await said(client.getExecution({ name, view: "BASIC" }));
        return ["SUCCEEDED", "FAILED", "CANCELLED"].includes(String(state));
      } catch (error) {
        if (isNamed(error, "NOT_FOUND")) return true;
        throw error;
      }
    },
    wake: async (path) => {
      // 429: an earlier call has not been awaited yet, and will be; 404 and the others: the execution has ended
      const accept = [400, 404, 409, 410, 429];
      const { status } = await rest.send({ service: "executions", path, body: {}, accept });
      return status < 400 || status === 429 ? "taken" : "gone";
    },
  };
}

/** The client's next major version puts an error of its own, which knows less, before the one of the transport. */
async function said<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof Error && error.cause instanceof GoogleError ? error.cause : error;
  }
}

interface Operation {
  readonly name?: string;
  readonly done?: boolean;
  readonly error?: { readonly code?: number; readonly message?: string };
}

/** Whether a long-running operation is done. Throws what it failed with. */
async function isDone(
  begun: RestReply,
  get: (path: string) => Promise<RestReply>,
): Promise<boolean> {
  const { name = "" } = jsonOf<Operation>(begun);
  const reply = await get(`/v1/${name}`);
  const { done = false, error } = jsonOf<Operation>(reply);
  if (error !== undefined)
    throw new GoogleError("INVALID_ARGUMENT", error.message ?? "it failed", reply);
  return done;
}

async function until(name: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + createMs;
  for (let delayMs = 100; !(await isTrue()); delayMs = Math.min(2000, delayMs * 2)) {
    if (Date.now() > deadline)
      throw new GoogleError("DEADLINE_EXCEEDED", `${name} is still being created`, {
        status: 504,
        tries: 1,
      });
    await pause(delayMs);
  }
}
