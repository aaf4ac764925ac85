/** When the state machine of an execution is started. */
export type StartMode =
  /** With the execution: every execution is seen in the console. */
  | "always"
  /** When it first has to wait: one that never waits is one invocation, and costs no transition. */
  | "onSuspend";

/** What somebody may be allowed something on. */
export type Resource =
  | "table"
  | "due index"
  | "flow index"
  /** Objects of the bucket, by folder. */
  | "values"
  | "bundles"
  | "manifests"
  | "task lists"
  | "bucket"
  | "machines"
  | "machine executions"
  | "machine role"
  | "secrets"
  | "parameters"
  | "document"
  | "advance function";

/** Actions on one kind of resource. */
export interface Grant {
  readonly on: Resource;
  readonly actions: readonly string[];
}

/** The functions of a runtime. */
export type FunctionRole = "advance" | "park" | "task" | "sweep" | "api";

const documents: Grant = {
  on: "table",
  actions: ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
};
/** Values above 8 MB are sent in parts, which are aborted when one is refused. */
const largeValues: Grant = {
  on: "values",
  actions: ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
};
const values: Grant = { on: "values", actions: ["s3:GetObject", "s3:PutObject"] };
const code: readonly Grant[] = [
  { on: "bundles", actions: ["s3:GetObject"] },
  // without it S3 answers "access denied" where it means "there is none"
  { on: "bucket", actions: ["s3:ListBucket"] },
];
const secrets: readonly Grant[] = [
  { on: "secrets", actions: ["secretsmanager:GetSecretValue"] },
  { on: "parameters", actions: ["ssm:GetParameter"] },
];
const start: Grant = { on: "machines", actions: ["states:StartExecution"] };
const wake: Grant = { on: "machines", actions: ["states:SendTaskSuccess"] };
const begin: Grant = { on: "advance function", actions: ["lambda:InvokeFunction"] };

/** Everything a function calls, and nothing else: the infrastructure grants from this. */
export function permissionsOf(role: FunctionRole, mode: StartMode): readonly Grant[] {
  const isLate = mode === "onSuspend";
  switch (role) {
    case "advance":
      return [
        documents,
        largeValues,
        ...code,
        { on: "task lists", actions: ["s3:PutObject"] },
        ...secrets,
        start, // child executions, and its own machine where that is started late
        wake, // a parent that waits for this execution
        { on: "machine executions", actions: ["states:StopExecution"] }, // a cancelled execution stops its machine
        ...(isLate ? [begin] : []), // child executions
      ];
    case "park":
      return [{ on: "table", actions: ["dynamodb:GetItem", "dynamodb:PutItem"] }, wake];
    case "task":
      return [documents, largeValues, ...code, ...secrets];
    case "sweep":
      return [
        { on: "table", actions: ["dynamodb:PutItem", "dynamodb:Query"] },
        { on: "due index", actions: ["dynamodb:Query"] },
        start,
        wake,
      ];
    case "api":
      return [
        documents,
        values,
        ...code,
        { on: "manifests", actions: ["s3:GetObject"] },
        isLate ? begin : start,
        wake,
      ];
  }
}

/** What whoever deploys, starts, answers and looks needs: `kitaru` on the command line, and clients of `kitaru/aws`. */
export const operatorPermissions = (mode: StartMode): readonly Grant[] => [
  { on: "document", actions: ["ssm:GetParameter"] },
  documents,
  { on: "flow index", actions: ["dynamodb:Query"] },
  largeValues,
  { on: "bundles", actions: ["s3:GetObject", "s3:PutObject"] },
  { on: "manifests", actions: ["s3:GetObject", "s3:PutObject"] },
  { on: "bucket", actions: ["s3:ListBucket"] },
  {
    on: "machines",
    actions: ["states:CreateStateMachine", "states:TagResource"],
  },
  { on: "machine role", actions: ["iam:PassRole"] },
  mode === "onSuspend" ? begin : start,
  wake,
];
