import { documentShape } from "../../adapters/gcp/documents.ts";
import { type Role, permissions } from "../../adapters/gcp/permissions.ts";
import {
  type RuntimeDocument,
  type TaskFunction,
  bucketName,
  documentKey,
  runtimeBucketName,
} from "../../adapters/gcp/runtime-document.ts";
import { accountOf, grants } from "./grants.ts";
import type { Blocks, TerraformBlock, TerraformConfig } from "./terraform.ts";

/** A function for isolated checkpoints of one size. */
export interface TaskSize {
  readonly name: string;
  /** @default 1024 */
  readonly memoryMb?: number;
  /** For files, which lie in memory too: on top of `memoryMb`. @default 512 */
  readonly storageMb?: number;
  /** At most 1800: a workflow waits for a reply for half an hour. @default 900 */
  readonly timeoutSeconds?: number;
}

/** What a runtime is made of. */
export interface KitaruRuntimeProps {
  /** Name of the runtime in the project: 3 to 19 lower-case letters, digits and "-". */
  readonly name: string;
  readonly project: string;
  readonly region: string;
  /** Functions for isolated checkpoints, smallest first. @default one of 1 GB */
  readonly taskSizes?: readonly TaskSize[];
  /** Memory of the function that runs flows, in MB. @default 1024 */
  readonly memoryMb?: number;
  /** Requests one instance of it serves at once. @default 1 */
  readonly concurrency?: number;
  /** Instances of each function at the most. @default 100 */
  readonly maxInstances?: number;
  /**
   * Waits that may last longer than this keep no execution of a workflow, of which a region has 10,000; a new one is started
   * when they end. @default none: every wait keeps its own
   */
  readonly detachSeconds?: number;
  /**
   * Days after its end for which an execution is kept; everything it has recorded then vanishes together, and the database deletes
   * it within a day. @default for ever
   */
  readonly retentionDays?: number;
  /** Who may call the `api` function: `serviceAccount:…`, `group:…`. @default nobody */
  readonly apiCallers?: readonly string[];
  /** More variables of the environment of all functions. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Folder beside the configuration with the functions' source. */
export const functionsFolder = "functions";

/** Time an advance has, in seconds: a workflow waits for a reply for 1800, and an instance needs some to start. */
const advanceSeconds = 1500;
const runtimeVersion = "nodejs22";

/** Services a runtime needs. */
const services = [
  "artifactregistry",
  "cloudbuild",
  "cloudfunctions",
  "cloudscheduler",
  "firestore",
  "iam",
  "run",
  "secretmanager",
  "storage",
  "workflowexecutions",
  "workflows",
];

/** Lay out a runtime as Terraform: nothing of it is public, and what holds data stays when the rest is destroyed. */
export function kitaruRuntime(props: KitaruRuntimeProps): TerraformConfig {
  check(props);
  const { project, region } = props;
  return {
    terraform: {
      required_version: ">= 1.5",
      required_providers: {
        google: { source: "hashicorp/google", version: ">= 6.10, < 8" },
        archive: { source: "hashicorp/archive", version: ">= 2.4, < 3" },
      },
    },
    provider: { google: { project, region } },
    data: {
      google_project: { this: { project_id: project } },
      archive_file: {
        functions: {
          type: "zip",
          source_dir: `\${path.module}/${functionsFolder}`,
          output_path: "${path.module}/functions.zip",
        },
      },
    },
    resource: merged(
      { google_project_service: Object.fromEntries(services.map(service)) },
      storage(props),
      database(props),
      grants(props.name, project, permissions),
      functions(props),
      schedule(props),
      metrics(props),
    ),
    output: {
      api: {
        value: functionUrl(props, "api"),
        description: "URL of the function other services call",
      },
    },
  };
}

function check(props: KitaruRuntimeProps): void {
  const { name, project, region, retentionDays, taskSizes = [] } = props;
  const refuse = (what: string): never => {
    throw new TypeError(`kitaruRuntime(): ${what}`);
  };
  if (!/^[a-z][a-z0-9-]{1,17}[a-z0-9]$/.test(name))
    refuse(`the name ${JSON.stringify(name)} is not 3 to 19 lower-case letters, digits and "-".`);
  if (project === "" || region === "") refuse("`project` and `region` are needed.");
  if (retentionDays !== undefined && !(retentionDays > 0))
    refuse(`\`retentionDays\` is ${retentionDays}, not a number of days above 0.`);
  for (const { name: size, timeoutSeconds = 0, memoryMb = 0, storageMb = 0 } of taskSizes) {
    if (memoryMb + storageMb > 32_768)
      refuse(
        `the size "${size}" has ${memoryMb + storageMb} MB with its files; a function has at most 32,768.`,
      );
    if (!/^[a-z0-9]{1,12}$/.test(size))
      refuse(`the size ${JSON.stringify(size)} is not 1 to 12 lower-case letters and digits.`);
    if (timeoutSeconds > 1800)
      refuse(`the size "${size}" has ${timeoutSeconds} s; a workflow waits for a reply for 1800.`);
  }
}

function service(name: string): [string, TerraformBlock] {
  return [name, { service: `${name}.googleapis.com`, disable_on_destroy: false }];
}

/** One bucket for data, and one, which no function may touch, for the functions' source and the runtime's document. */
function storage(props: KitaruRuntimeProps): Blocks {
  const { name, project, region } = props;
  const bucket = {
    location: region.toUpperCase(),
    uniform_bucket_level_access: true,
    public_access_prevention: "enforced",
    force_destroy: false,
    depends_on: ["google_project_service.storage"],
  };
  return {
    google_storage_bucket: {
      data: {
        ...bucket,
        name: bucketName(project, name),
        soft_delete_policy: [{ retention_duration_seconds: 7 * 86_400 }],
        // which attempts there were of a checkpoint that ran many times at once
        lifecycle_rule: [
          { action: [{ type: "Delete" }], condition: [{ age: 30, matches_prefix: ["tasks/"] }] },
        ],
        lifecycle: { prevent_destroy: true },
      },
      runtime: { ...bucket, name: runtimeBucketName(project, name) },
    },
    google_storage_bucket_object: {
      functions: {
        bucket: "${google_storage_bucket.runtime.name}",
        name: "functions-${data.archive_file.functions.output_md5}.zip",
        source: "${data.archive_file.functions.output_path}",
      },
      document: {
        bucket: "${google_storage_bucket.runtime.name}",
        name: documentKey,
        content_type: "application/json",
        content: JSON.stringify(documentOf(props)),
        depends_on: [
          "google_firestore_database.this",
          ...Object.keys(roles(props)).map((fn) => `google_cloudfunctions2_function.${fn}`),
        ],
      },
    },
  };
}

/** Nothing is indexed but what is listed by: an index entry costs time of a write, and is limited to 1,500 bytes. */
function database({ name, region }: KitaruRuntimeProps): Blocks {
  const field = (path: string, indexes: readonly TerraformBlock[]): TerraformBlock => ({
    database: "${google_firestore_database.this.name}",
    collection: documentShape.collection,
    field: path,
    index_config: [indexes.length === 0 ? {} : { indexes }],
  });
  const both = ["ASCENDING", "DESCENDING"].map((order) => ({ order, query_scope: "COLLECTION" }));
  const { key, expiry, indexes } = documentShape;
  return {
    google_firestore_database: {
      this: {
        name: databaseName(name),
        location_id: region,
        type: "FIRESTORE_NATIVE",
        point_in_time_recovery_enablement: "POINT_IN_TIME_RECOVERY_ENABLED",
        delete_protection_state: "DELETE_PROTECTION_ENABLED",
        deletion_policy: "ABANDON",
        depends_on: ["google_project_service.firestore"],
        lifecycle: { prevent_destroy: true },
      },
    },
    google_firestore_field: {
      others: field("*", []),
      expiry: { ...field(expiry, []), ttl_config: [{}] },
      ...Object.fromEntries(
        Object.entries({ key, ...indexes }).map(([title, path]) => [title, field(path, both)]),
      ),
    },
  };
}

interface FunctionProps {
  readonly role: Exclude<Role, "workflows">;
  readonly entry: string;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly concurrency: number;
  /** E-mail addresses of the accounts it takes requests of; absent: whoever IAM lets in. */
  readonly callers?: readonly string[];
  /** Members that IAM lets in. */
  readonly invokers: readonly string[];
}

/** The functions of a runtime, by the end of their names. */
function roles(props: KitaruRuntimeProps): Readonly<Record<string, FunctionProps>> {
  const { name, project, memoryMb = 1024, concurrency = 1, apiCallers = [] } = props;
  const only = (account: "workflows" | "scheduler") => {
    const email = accountOf(name, project, account);
    return { callers: [email], invokers: [`serviceAccount:${email}`] };
  };
  return {
    advance: {
      role: "advance",
      entry: "advance",
      memoryMb,
      timeoutSeconds: advanceSeconds + 60,
      concurrency,
      ...only("workflows"),
    },
    ...Object.fromEntries(
      tasksOf(props).map(({ size, memoryMb: memory, storageMb, timeoutMs }) => [
        `task-${size}`,
        {
          role: "task",
          entry: "task",
          memoryMb: memory + storageMb,
          timeoutSeconds: timeoutMs / 1000,
          concurrency: 1,
          ...only("workflows"),
        } satisfies FunctionProps,
      ]),
    ),
    sweep: {
      role: "sweep",
      entry: "sweep",
      memoryMb: 512,
      timeoutSeconds: 300,
      concurrency: 1,
      ...only("scheduler"),
    },
    api: {
      role: "api",
      entry: "api",
      memoryMb: 512,
      timeoutSeconds: 60,
      concurrency: 20,
      invokers: apiCallers,
    },
  };
}

function functions(props: KitaruRuntimeProps): Blocks {
  const all = Object.entries(roles(props));
  return {
    google_cloudfunctions2_function: Object.fromEntries(
      all.map(([end, fn]) => [end, functionOf(props, end, fn)]),
    ),
    // a function of this kind is a service of Cloud Run, which asks IAM about every caller
    google_cloud_run_v2_service_iam_binding: Object.fromEntries(
      all
        .filter(([, { invokers }]) => invokers.length > 0)
        .map(([end, { invokers }]) => [
          end,
          {
            name: `\${google_cloudfunctions2_function.${end}.name}`,
            location: props.region,
            role: "roles/run.invoker",
            members: invokers,
          },
        ]),
    ),
  };
}

function functionOf(props: KitaruRuntimeProps, end: string, fn: FunctionProps): TerraformBlock {
  const { name, project, region, maxInstances = 100 } = props;
  const { role, entry, memoryMb, timeoutSeconds, concurrency } = fn;
  return {
    name: functionName(name, end),
    location: region,
    description: `kitaru runtime ${name}`,
    labels: { "kitaru-stack": name },
    build_config: [
      {
        runtime: runtimeVersion,
        entry_point: entry,
        source: [
          {
            storage_source: [
              {
                bucket: "${google_storage_bucket.runtime.name}",
                object: "${google_storage_bucket_object.functions.name}",
              },
            ],
          },
        ],
      },
    ],
    service_config: [
      {
        available_memory: `${memoryMb}Mi`,
        available_cpu: String(cpusFor(memoryMb)),
        timeout_seconds: timeoutSeconds,
        min_instance_count: 0,
        max_instance_count: end === "sweep" ? 1 : maxInstances,
        max_instance_request_concurrency: concurrency,
        service_account_email: accountOf(name, project, role),
        ingress_settings: "ALLOW_ALL",
        all_traffic_on_latest_revision: true,
        environment_variables: environmentOf(props, end, fn),
      },
    ],
    depends_on: [
      ...["artifactregistry", "cloudbuild", "cloudfunctions", "run"].map(
        (needed) => `google_project_service.${needed}`,
      ),
      `google_service_account.${role}`,
    ],
  };
}

/** The fewest CPUs that so much memory may have (https://cloud.google.com/run/docs/configuring/services/memory-limits). */
function cpusFor(memoryMb: number): number {
  return [1, 2, 4, 6].find((cpus) => memoryMb <= cpus * 4096) ?? 8;
}

function environmentOf(
  props: KitaruRuntimeProps,
  end: string,
  { callers = [], timeoutSeconds }: FunctionProps,
): TerraformBlock {
  const { name, project, region, detachSeconds, retentionDays, environment = {} } = props;
  return {
    ...environment,
    KITARU_GCP_NAME: name,
    KITARU_GCP_PROJECT: project,
    KITARU_GCP_REGION: region,
    KITARU_GCP_DATABASE: databaseName(name),
    KITARU_GCP_BUCKET: bucketName(project, name),
    KITARU_GCP_AUDIENCE: functionUrl(props, end),
    KITARU_GCP_CALLERS: callers.join(","),
    // only callers that Cloud Run has authenticated get in: the binding below names them, and there is none for everybody
    KITARU_GCP_INGRESS: "iam",
    KITARU_GCP_TIMEOUT_SECONDS: String(end === "advance" ? advanceSeconds : timeoutSeconds),
    ...(retentionDays === undefined ? {} : { KITARU_GCP_RETENTION_DAYS: String(retentionDays) }),
    ...(detachSeconds === undefined ? {} : { KITARU_GCP_DETACH_MS: String(detachSeconds * 1000) }),
  };
}

function schedule(props: KitaruRuntimeProps): Blocks {
  const { name, project, region } = props;
  const uri = functionUrl(props, "sweep");
  return {
    google_cloud_scheduler_job: {
      sweep: {
        name: `kitaru-${name}-sweep`,
        region,
        schedule: "* * * * *",
        attempt_deadline: "300s",
        retry_config: [{ retry_count: 0 }],
        http_target: [
          {
            uri,
            http_method: "POST",
            headers: { "Content-Type": "application/json" },
            body: Buffer.from("{}").toString("base64"),
            oidc_token: [
              { service_account_email: accountOf(name, project, "scheduler"), audience: uri },
            ],
          },
        ],
        depends_on: [
          "google_project_service.cloudscheduler",
          "google_cloudfunctions2_function.sweep",
        ],
      },
    },
  };
}

/** What the functions write into their logs, as metrics that alerts can watch. */
function metrics({ name }: KitaruRuntimeProps): Blocks {
  const metric = (title: string, field: string): [string, TerraformBlock] => [
    title,
    {
      name: `kitaru/${name}/${title}`,
      filter: `jsonPayload.kitaru.stack="${name}" AND jsonPayload.kitaru.${field}>0`,
      value_extractor: `EXTRACT(jsonPayload.kitaru.${field})`,
      metric_descriptor: [{ metric_kind: "DELTA", value_type: "DISTRIBUTION" }],
    },
  ];
  return {
    google_logging_metric: Object.fromEntries([
      metric("failed_executions", "FailedExecutions"),
      metric("overdue_executions", "OverdueExecutions"),
    ]),
  };
}

function documentOf(props: KitaruRuntimeProps): RuntimeDocument {
  const { name, project, region } = props;
  return {
    format: 1,
    project,
    region,
    database: databaseName(name),
    bucket: bucketName(project, name),
    workflowAccount: accountOf(name, project, "workflows"),
    advance: functionUrl(props, "advance"),
    sweep: functionUrl(props, "sweep"),
    api: functionUrl(props, "api"),
    tasks: tasksOf(props),
  };
}

function tasksOf(props: KitaruRuntimeProps): readonly TaskFunction[] {
  const { taskSizes = [{ name: "default" }] } = props;
  return taskSizes.map(
    ({ name: size, memoryMb = 1024, storageMb = 512, timeoutSeconds = 900 }) => ({
      size,
      url: functionUrl(props, `task-${size}`),
      memoryMb,
      storageMb,
      timeoutMs: timeoutSeconds * 1000,
    }),
  );
}

/** The URL a function has from its name alone, so that it can be told its own. */
function functionUrl({ name, project, region }: KitaruRuntimeProps, end: string): string {
  return `https://${region}-${project}.cloudfunctions.net/${functionName(name, end)}`;
}

function functionName(name: string, end: string): string {
  return `kitaru-${name}-${end}`;
}

function databaseName(name: string): string {
  return `kitaru-${name}`;
}

function merged(...all: readonly Blocks[]): Blocks {
  const result: Record<string, Record<string, TerraformBlock>> = {};
  for (const blocks of all)
    for (const [type, named] of Object.entries(blocks))
      result[type] = { ...result[type], ...named };
  return result;
}
