import { KitaruStateError, KitaruUsageError } from "../../core/errors.ts";
import type { EmitFlow, EstimateCost } from "../../core/plan/offer.ts";
import type { Backend, Capabilities } from "../../core/ports/backend.ts";
import { gcpBackend } from "./backend.ts";
import { gcpCapabilities } from "./capabilities.ts";
import type { GcpClientOptions } from "./clients/config.ts";
import { serviceError } from "./failure.ts";
import {
  type RuntimeDocument,
  documentKey,
  parseDocument,
  runtimeBucketName,
} from "./runtime-document.ts";

export type { Authorizer, Service } from "./clients/config.ts";

/** Options of {@link gcp}. */
export interface GcpOptions extends GcpClientOptions {
  /** Name of the runtime in the project: that of `kitaruRuntime()`, whose Terraform was applied. */
  readonly name: string;
  /** Id of the project. */
  readonly project: string;
  /** Region of the runtime, such as `europe-west4`. */
  readonly region: string;
}

/** A stack in the team's own Google Cloud project: Workflows, Cloud Run functions, Firestore and Cloud Storage. */
export interface GcpStack {
  readonly kind: "gcp";
  readonly describe: Readonly<Record<string, string>>;
  open(context: { readonly name: string; readonly root: string }): Promise<Backend>;
  readonly capabilities: Capabilities;
  readonly plan: EmitFlow;
  readonly estimate: EstimateCost;
}

/** Flows run in Google Cloud, deployed with `kitaru deploy`; this process starts them, answers them and looks at them. */
export function gcp(options: GcpOptions): GcpStack {
  const { name, project, region, endpoint, auth } = options;
  checkName(
    "name",
    name,
    /^[a-z][a-z0-9-]{1,17}[a-z0-9]$/,
    '3 to 19 lower-case letters, digits and "-"; that of kitaruRuntime()',
  );
  checkName("project", project, /^[a-z][a-z0-9.:-]{2,60}[a-z0-9]$/, "the id of a project");
  checkName("region", region, /^[a-z]+(?:-[a-z]+)+\d+$/, "a region such as europe-west4");
  const client: GcpClientOptions = {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(auth === undefined ? {} : { auth }),
  };
  return {
    kind: "gcp",
    describe: { name, project, region },
    open: () => openGcp({ name, project, region }, client),
    capabilities: gcpCapabilities,
    plan: async (plan, flow) => (await import("./preview.ts")).previewFlow(name, plan, flow),
    estimate: async (work, executions) =>
      (await import("./estimate.ts")).estimateCost(work, executions),
  };
}

function checkName(option: keyof GcpOptions, value: unknown, form: RegExp, wanted: string): void {
  if (typeof value === "string" && form.test(value)) return;
  throw new KitaruUsageError(
    `gcp(): the ${option} ${JSON.stringify(value)} is not allowed. It must be ${wanted}.`,
  );
}

interface Place {
  readonly name: string;
  readonly project: string;
  readonly region: string;
}

async function openGcp(place: Place, client: GcpClientOptions): Promise<Backend> {
  const document = await readDocument(place, client);
  const { database, bucket, tasks } = document;
  return gcpBackend({
    ...place,
    database,
    bucket,
    client,
    document: async () => document,
    capabilities: { ...gcpCapabilities, attemptSizes: tasks },
  });
}

async function readDocument(
  { name, project, region }: Place,
  client: GcpClientOptions,
): Promise<RuntimeDocument> {
  const bucket = runtimeBucketName(project, name);
  const { openStorage } = await import("./clients/storage.ts");
  const bytes = await openStorage(client)
    .get({ bucket, key: documentKey })
    .catch((error: unknown) => {
      const what = `The runtime "${name}" cannot be looked up`;
      throw serviceError(error, { what, missing: bucket });
    });
  const document =
    bytes === undefined ? undefined : parseDocument(name, new TextDecoder().decode(bytes));
  if (document?.region === region) return document;
  throw new KitaruStateError(
    document === undefined
      ? `There is no runtime "${name}" in project ${project} (no object ${documentKey} in the bucket ${bucket}). Create it: \`node node_modules/kitaru/dist/infra/gcp/app.js --name ${name} --project ${project} --region ${region}\`, then \`terraform apply\` in the folder it writes.`
      : `The runtime "${name}" of project ${project} is in ${document.region}, not in ${region}. Correct \`region\` in kitaru.config.ts.`,
    { code: "not_found" },
  );
}
