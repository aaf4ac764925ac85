/** What a function may be allowed something on. */
export type Resource =
  | "table"
  | "due index"
  | "flow index"
  | "objects"
  | "bucket"
  | "machines"
  | "machine executions"
  | "secrets"
  | "parameters"
  | "advance function";

/** Actions on one kind of resource. */
export interface Grant {
  readonly on: Resource;
  readonly actions: readonly string[];
}

/** The functions of a runtime. */
export type FunctionRole = "advance" | "park" | "task" | "sweep" | "api";

const document: Grant = { on: "table", actions: ["dynamodb:GetItem", "dynamodb:PutItem"] };
const documents: Grant = {
  on: "table",
  actions: ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
};
/** Without ListBucket S3 answers "access denied" where it means "there is none". */
const objects: readonly Grant[] = [
  { on: "objects", actions: ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"] },
  { on: "bucket", actions: ["s3:ListBucket"] },
];
const secrets: readonly Grant[] = [
  { on: "secrets", actions: ["secretsmanager:GetSecretValue"] },
  { on: "parameters", actions: ["ssm:GetParameter"] },
];
const start: Grant = { on: "machines", actions: ["states:StartExecution"] };
const wake: Grant = { on: "machines", actions: ["states:SendTaskSuccess"] };

/** Everything each function calls, and nothing else: the infrastructure grants from this list. */
export const permissions: Readonly<Record<FunctionRole, readonly Grant[]>> = {
  advance: [
    documents,
    ...objects,
    ...secrets,
    start, // child executions
    wake, // a parent that waits for this execution
    { on: "machine executions", actions: ["states:StopExecution"] }, // a cancelled execution stops its machine
    { on: "advance function", actions: ["lambda:InvokeFunction"] }, // child executions of a stack that starts machines late
  ],
  park: [document, wake],
  task: [documents, ...objects, ...secrets],
  sweep: [
    documents,
    { on: "due index", actions: ["dynamodb:Query"] },
    start,
    wake,
    { on: "advance function", actions: ["lambda:InvokeFunction"] },
  ],
  api: [
    documents,
    { on: "flow index", actions: ["dynamodb:Query"] },
    ...objects,
    start,
    wake,
    { on: "advance function", actions: ["lambda:InvokeFunction"] },
  ],
};
