import { KitaruStateError, KitaruUsageError } from "../../core/errors.ts";
import type { EmitFlow, EstimateCost } from "../../core/plan/offer.ts";
import type { Backend, Capabilities } from "../../core/ports/backend.ts";
import { awsBackend } from "./backend.ts";
import { awsCapabilities } from "./capabilities.ts";
import type { AwsClientOptions } from "./clients/config.ts";
import { serviceError } from "./failure.ts";
import type { StartMode } from "./permissions.ts";
import { type RuntimeDocument, documentName } from "./runtime-document.ts";
import { onDemand } from "./sdk.ts";

/** Options of {@link aws}. */
export interface AwsOptions extends AwsClientOptions {
  /** Name of the runtime in the account: that of `KitaruRuntime` in the CDK app. */
  readonly name: string;
  /**
   * `always`: the console shows a state machine execution for every execution.
   * `onSuspend`: one is started when an execution first has to wait; what never waits costs no transition.
   * @default "always"
   */
  readonly orchestrator?: StartMode;
}

/** A stack in the team's own AWS account: Step Functions, Lambda, DynamoDB and S3. */
export interface AwsStack {
  readonly kind: "aws";
  readonly describe: Readonly<Record<string, string>>;
  open(context: { readonly name: string; readonly root: string }): Promise<Backend>;
  readonly capabilities: Capabilities;
  readonly plan: EmitFlow;
  readonly estimate: EstimateCost;
}

/** Flows run in AWS, deployed with `kitaru deploy`; this process starts them, answers them and looks at them. */
export function aws(options: AwsOptions): AwsStack {
  const { name, orchestrator: mode = "always", region, endpoint, credentials } = options;
  if (!/^[a-z][a-z0-9-]{1,28}[a-z0-9]$/.test(name))
    throw new KitaruUsageError(
      `aws(): the name ${JSON.stringify(name)} is not allowed. It is that of KitaruRuntime in the CDK app: 3 to 30 lower-case letters, digits and "-".`,
    );
  const client: AwsClientOptions = {
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
  };
  return {
    kind: "aws",
    describe: { name, region: region ?? "of the environment", orchestrator: mode },
    open: () => openAws(name, client, mode),
    capabilities: awsCapabilities,
    plan: async (plan, flow) => (await import("./preview.ts")).previewFlow(name, plan, flow),
    estimate: async (work, executions) =>
      (await import("./estimate.ts")).estimateCost(mode, work, executions),
  };
}

async function openAws(name: string, client: AwsClientOptions, mode: StartMode): Promise<Backend> {
  const document = await readDocument(name, client);
  return awsBackend({
    name,
    client,
    mode,
    table: document.table,
    bucket: document.bucket,
    advanceArn: async () => document.advance,
    document: async () => document,
    capabilities: { ...awsCapabilities, attemptSizes: document.tasks },
  });
}

async function readDocument(name: string, client: AwsClientOptions): Promise<RuntimeDocument> {
  const parameter = documentName(name);
  const vault = await onDemand(async () =>
    (await import("./clients/secrets.ts")).openVault(client),
  )();
  try {
    const text = await vault.parameter(parameter);
    if (text !== undefined) return parseDocument(name, text);
  } catch (error) {
    throw serviceError(error, { what: `The runtime "${name}" cannot be looked up` });
  } finally {
    vault.close();
  }
  throw new KitaruStateError(
    `There is no runtime "${name}" in this account and region (no parameter ${parameter}). Create it: put \`new KitaruRuntime(stack, "Kitaru", { name: "${name}" })\` of kitaru/infra/aws into a CDK app and run \`cdk deploy\`.`,
    { code: "not_found" },
  );
}

function parseDocument(name: string, text: string): RuntimeDocument {
  const document: unknown = JSON.parse(text);
  if (
    typeof document === "object" &&
    document !== null &&
    "format" in document &&
    document.format === 1
  )
    return document as RuntimeDocument;
  throw new KitaruStateError(
    `The runtime "${name}" was deployed by another version of kitaru/infra/aws. Use the same version here, or run \`cdk deploy\` with this one.`,
  );
}
