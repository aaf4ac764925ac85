import { invokeVersion } from "../deployments/invoke.ts";
import type { Runtime } from "../engine/runtime.ts";
import { KitaruUsageError, isKitaruError } from "../errors.ts";
import { newExecutionId } from "../primitives/handle.ts";
import { Executions } from "./executions.ts";
import { toPlain } from "./plain.ts";

/** What another service may ask of a runtime through the function of a cloud that serves it. */
export type ApiEvent =
  | {
      readonly op: "start";
      readonly flow: string;
      readonly input?: unknown;
      /** Makes the start idempotent. */
      readonly id?: string;
      readonly version?: number;
      readonly tag?: string;
    }
  | {
      readonly op: "answer";
      readonly executionId: string;
      /** Call id or name. @default the one pending wait */
      readonly wait?: string;
      readonly value?: unknown;
    }
  | { readonly op: "abort"; readonly executionId: string; readonly wait?: string }
  | { readonly op: "cancel" | "get"; readonly executionId: string };

/** What became of it: a refusal is a value with the code of its error, so that callers need not read a cloud's errors. */
export type ApiReply =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: { readonly code: string; readonly message: string } };

/** Do what an event asks. Rejects for what Kitaru does not throw itself, which the cloud then reports. */
export async function serve(runtime: Runtime, event: unknown): Promise<ApiReply> {
  try {
    return { ok: true, result: toPlain(await serveEvent(runtime, checked(event))) };
  } catch (error) {
    if (!isKitaruError(error)) throw error;
    return { ok: false, error: { code: error.code, message: error.message } };
  }
}

async function serveEvent(runtime: Runtime, event: ApiEvent): Promise<unknown> {
  const executions = new Executions(async () => runtime);
  switch (event.op) {
    case "start":
      return start(runtime, event);
    case "answer":
      return executions.input(event.executionId, { ...choice(event), value: event.value });
    case "abort":
      return executions.abortWait(event.executionId, choice(event));
    case "cancel":
      return executions.cancel(event.executionId);
    case "get":
      return executions.get(event.executionId);
  }
}

async function start(
  runtime: Runtime,
  { flow, input, id, version, tag }: ApiEvent & { op: "start" },
): Promise<{ readonly executionId: string; readonly version: string }> {
  const { facts } = await invokeVersion(runtime, {
    id: id ?? newExecutionId(),
    flow,
    input,
    choice: { version, tag } as Parameters<typeof invokeVersion>[1]["choice"],
    isIdempotent: id !== undefined,
  });
  return { executionId: facts.id, version: facts.version };
}

function choice({ wait }: { readonly wait?: string }): { readonly wait?: string } {
  return wait === undefined ? {} : { wait };
}

/** Which texts an event of each kind must have, and which it may have. */
const fields: Readonly<Record<ApiEvent["op"], readonly [needed: string, ...allowed: string[]]>> = {
  start: ["flow", "id", "tag"],
  answer: ["executionId", "wait"],
  abort: ["executionId", "wait"],
  cancel: ["executionId"],
  get: ["executionId"],
};

/** The event, if it is one. Throws a usage error otherwise. */
function checked(event: unknown): ApiEvent {
  const given = (typeof event === "object" && event !== null ? event : {}) as Record<
    string,
    unknown
  >;
  const { op, version } = given;
  if (typeof op !== "string" || !(op in fields))
    throw new KitaruUsageError(
      `api: \`op\` is ${JSON.stringify(op)}. It must be one of: ${Object.keys(fields).join(", ")}.`,
    );
  const [needed, ...allowed] = fields[op as ApiEvent["op"]];
  const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
  if (!isText(given[needed]))
    throw new KitaruUsageError(
      `api: \`${needed}\` of "${op}" is ${JSON.stringify(given[needed])}. It must be a text.`,
    );
  for (const name of allowed)
    if (given[name] !== undefined && !isText(given[name]))
      throw new KitaruUsageError(
        `api: \`${name}\` of "${op}" is ${JSON.stringify(given[name])}. It must be a text, or left out.`,
      );
  if (version !== undefined && !Number.isSafeInteger(version))
    throw new KitaruUsageError(
      `api: \`version\` of "${op}" is ${JSON.stringify(version)}. It must be a whole number, or left out.`,
    );
  return given as unknown as ApiEvent;
}
