import { KitaruUsageError } from "../../core/errors.ts";
import type {
  AdvanceRequest,
  CrashedRequest,
  PageRequest,
  TaskRequest,
  WorkflowInput,
} from "./directive.ts";

/** Everything a workflow asks its functions for. */
export type WorkflowRequest = AdvanceRequest | TaskRequest | CrashedRequest | PageRequest;

const execution = /^projects\/[^/]+\/locations\/[^/]+\/workflows\/[^/]+\/executions\/[^/]+$/;

type Check = readonly [name: string, isRight: (value: unknown) => boolean, wanted: string];

const text = (name: string): Check => [name, isText, "a text"];
const whole = (name: string, from: number): Check => [
  name,
  (value) => Number.isSafeInteger(value) && Number(value) >= from,
  `a whole number from ${from}`,
];
const workflow = (name: string): Check => [name, isExecution, "the name of a workflow's execution"];

/** What a request of each kind must have. */
const fields: Readonly<Record<WorkflowRequest["op"], readonly Check[]>> = {
  advance: [
    text("executionId"),
    whole("generation", 1),
    workflow("workflow"),
    text("callbackUrl"),
    [
      "after",
      (value) => value === undefined || value === null || isExecution(value),
      "that of another, null, or absent",
    ],
  ],
  task: [text("executionId"), text("callId"), whole("attempt", 1)],
  crashed: [text("executionId"), text("callId"), whole("attempt", 1), text("why")],
  page: [text("executionId"), text("key"), whole("page", 0)],
};

/** The request, if it is one. Throws a usage error otherwise. */
export function checkedRequest(body: unknown): WorkflowRequest {
  const given = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const { op } = given;
  if (typeof op !== "string" || !Object.hasOwn(fields, op))
    throw new KitaruUsageError(
      `\`op\` is ${JSON.stringify(op)}. It must be one of: ${Object.keys(fields).join(", ")}.`,
    );
  for (const [name, isRight, wanted] of fields[op as WorkflowRequest["op"]])
    if (!isRight(given[name]))
      throw new KitaruUsageError(
        `\`${name}\` of "${op}" is ${JSON.stringify(given[name])}. It must be ${wanted}.`,
      );
  return given as unknown as WorkflowRequest;
}

/** Argument of a new workflow's execution. */
export function workflowInput(input: WorkflowInput): string {
  return JSON.stringify(input);
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isExecution(value: unknown): boolean {
  return typeof value === "string" && execution.test(value);
}
