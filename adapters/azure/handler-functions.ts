import {
  type DurableClient,
  app,
  clientInput,
  clientOf,
  defineActivity,
  defineOrchestration,
} from "./durable.ts";
import type { Callers } from "./identity.ts";
import { metricLine } from "./metrics.ts";
import { functionNames, resourceNames } from "./names.ts";
import { type AdvanceInput, runLoop, runPage } from "./orchestrator-loop.ts";

/** Define the functions of a runtime's app. The package that `kitaru deploy --stack` publishes begins with this. */
export function registerFunctions(): void {
  defineOrchestration(functionNames.loop, runLoop);
  defineOrchestration(functionNames.page, runPage);
  defineActivity(functionNames.advance, async (input: AdvanceInput, client, log) => {
    const directive = await (await work()).advance(input, client);
    if (directive.kind === "end" && directive.status === "failed")
      log(metricLine("FailedExecutions", 1));
    return directive;
  });
  activity("task");
  activity("crashed");
  activity("list");
  app.storageQueue(functionNames.messages, {
    queueName: resourceNames.queue,
    connection: "AzureWebJobsStorage",
    extraInputs: [clientInput],
    handler: async (message, context) => (await work()).receive(message, clientOf(context)),
  });
  app.timer(functionNames.sweep, {
    schedule: "0 * * * * *",
    extraInputs: [clientInput],
    handler: async (_timer, context) => {
      const { overdue } = await (await work()).sweep(clientOf(context));
      if (overdue > 0) context.log(metricLine("OverdueExecutions", overdue));
    },
  });
  const audience = process.env["KITARU_AZURE_API_AUDIENCE"];
  if (audience !== undefined && audience !== "") registerApi(audience);
}

/** Nothing of an app can be called from outside unless its settings say so, and then only by the identities they name. */
function registerApi(audience: string): void {
  app.http(functionNames.api, {
    route: "kitaru",
    methods: ["POST"],
    authLevel: "anonymous", // the host knows keys, not identities
    extraInputs: [clientInput],
    handler: async (request, context) => {
      const { refusalOf } = await import("./identity.ts");
      const refusal = await refusalOf(request.headers.get("authorization"), callers(audience));
      if (refusal !== undefined)
        return { status: refusal.status, jsonBody: { error: refusal.message } };
      const event: unknown = await request.json().catch(() => undefined);
      return { jsonBody: await (await work()).api(event, clientOf(context)) };
    },
  });
}

function callers(audience: string): Callers {
  const {
    KITARU_AZURE_TENANT: tenant = "",
    KITARU_AZURE_API_CALLERS: ids = "",
    KITARU_AZURE_API_KEYS: keysUrl,
  } = process.env;
  return {
    audience,
    tenant,
    callers: ids.split(",").flatMap((id) => id.trim() || []),
    ...(keysUrl === undefined ? {} : { keysUrl }),
  };
}

type Work = typeof import("./handler-work.ts");

/** The engine is loaded by the first activity: an app that starts is asked for its functions before anything else. */
function work(): Promise<Work> {
  return import("./handler-work.ts");
}

function activity<Name extends "task" | "crashed" | "list">(name: Name): void {
  type Input = Parameters<Work[Name]>[0];
  defineActivity(functionNames[name], async (input: Input, client) => {
    const run = (await work())[name] as (input: Input, client: DurableClient) => Promise<unknown>;
    return run(input, client);
  });
}
