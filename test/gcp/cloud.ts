import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type RuntimeDocument,
  bucketName,
  documentKey,
  runtimeBucketName,
} from "../../adapters/gcp/runtime-document.ts";
import type { GcpOptions } from "../../adapters/gcp/index.ts";
import { openStorage } from "../../adapters/gcp/clients/storage.ts";
import { bundleFunctions } from "../../infra/gcp/function-code.ts";
import { type FaultProxy, startFaultProxy } from "../emulators/fault-proxy.ts";
import { noFirestore, startFirestore } from "../emulators/firestore.ts";
import { type CloudStorage, startCloudStorage } from "../emulators/gcs.ts";
import { type Issuer, startIssuer } from "../emulators/issuer.ts";
import type { Emulator } from "../emulators/server.ts";
import { type WorkflowsEmulator, startWorkflows } from "../emulators/workflows/service.ts";
import { type CloudFunction, startFunction } from "./functions.ts";
import { type Account, type Iam, startIam } from "./iam.ts";

/** Why there is no emulated cloud here; undefined when there is. */
export const noCloud: string | undefined = noFirestore;

const clock = new URL("../emulators/clock.mjs", import.meta.url).href;
const project = "agents-project";
const region = "europe-west4";
const name = "agents";

/** Functions of a runtime, as they are served here. */
export type FunctionName = "advance" | "task" | "large" | "sweep" | "api";

/**
 * A runtime in an emulated project: records on Google's Firestore emulator, functions in processes of Google's functions
 * framework, everything else on stand-ins.
 */
export interface Cloud {
  /** Options of `gcp()`. */
  readonly options: GcpOptions;
  readonly document: RuntimeDocument;
  /** Environment under which the stack finds the emulators. */
  readonly env: Readonly<Record<string, string>>;
  /** What stands between each account of the functions and the services. */
  readonly iam: Readonly<Record<Account, Iam>>;
  readonly issuer: Issuer;
  /** Account of another service, which the api function serves. */
  readonly serviceAccount: string;
  readonly functions: Readonly<Record<FunctionName, CloudFunction>>;
  readonly workflows: WorkflowsEmulator;
  readonly storage: CloudStorage;
  /** What stands before Firestore, Cloud Storage and Workflows. */
  readonly database: FaultProxy;
  readonly bucket: FaultProxy;
  readonly orchestration: FaultProxy;
  /** Call a function as a service account, and read what it answers. */
  call(fn: FunctionName, body: object, account?: string): Promise<Called>;
  /** Have the scheduler call the sweep, so much later than now. */
  sweep(aheadMs?: number): Promise<void>;
  /** From now on clocks of the functions' processes differ from that of this machine by up to so much. */
  setSkew(ms: number): void;
  close(): Promise<void>;
}

/** What a function answered. */
export interface Called {
  readonly status: number;
  readonly body: unknown;
}

interface CloudOptions {
  /** Time an advance has. @default 60 */
  readonly advanceSeconds?: number;
  /** More variables of the functions' environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

const accounts = {
  workflows: `kitaru-${name}-workflows@${project}.iam.gserviceaccount.com`,
  scheduler: `kitaru-${name}-scheduler@${project}.iam.gserviceaccount.com`,
  service: `orders@${project}.iam.gserviceaccount.com`,
};

/** Start the emulators and create what `terraform apply` would. */
export async function startCloud(cloudOptions: CloudOptions = {}): Promise<Cloud> {
  const bucket = bucketName(project, name);
  const issuer = await startIssuer();
  const [firestore, storage, workflows] = await Promise.all([
    startFirestore(),
    startCloudStorage(bucket, runtimeBucketName(project, name)),
    startWorkflows({
      identity: {
        idToken: async (audience) => issuer.idToken(accounts.workflows, audience),
        accessToken: async () => "access",
      },
    }),
  ]);
  const [database, bucketProxy, orchestration] = await Promise.all(
    [firestore, storage, workflows].map(({ endpoint }) => startFaultProxy(endpoint)),
  );
  if (database === undefined || bucketProxy === undefined || orchestration === undefined)
    throw new Error("three proxies have been started");
  const source = mkdtempSync(join(tmpdir(), "kitaru-functions-"));
  bundleFunctions(source);
  const clocks = mkdtempSync(join(tmpdir(), "kitaru-clocks-"));
  const env = {
    FIRESTORE_EMULATOR_HOST: database.endpoint,
    STORAGE_EMULATOR_HOST: bucketProxy.endpoint,
    KITARU_GCP_ENDPOINT: orchestration.endpoint,
  };
  const environment =
    (callers: string, timeoutSeconds: number, iam: Iam) => (audience: string) => ({
      KITARU_GCP_NAME: name,
      KITARU_GCP_PROJECT: project,
      KITARU_GCP_REGION: region,
      KITARU_GCP_DATABASE: `kitaru-${name}`,
      KITARU_GCP_BUCKET: bucket,
      KITARU_GCP_AUDIENCE: audience,
      KITARU_GCP_CALLERS: callers,
      KITARU_GCP_KEYS_URL: issuer.endpoint,
      KITARU_GCP_TIMEOUT_SECONDS: String(timeoutSeconds),
      CLOCK_FOLDER: clocks,
      NODE_OPTIONS: `--import=${clock}`,
      ...iam.env,
      ...cloudOptions.environment,
    });
  const iam: Record<Account, Iam> = {
    advance: await startIam("advance", env),
    task: await startIam("task", env),
    sweep: await startIam("sweep", env),
    api: await startIam("api", env),
  };
  const serve = (target: Account, callers: string, seconds = 60, as: string = target) =>
    startFunction({
      target,
      name: as,
      source,
      environment: environment(callers, seconds, iam[target]),
    });
  const [advance, task, large, sweep, api] = await Promise.all([
    serve("advance", accounts.workflows, cloudOptions.advanceSeconds),
    serve("task", accounts.workflows),
    serve("task", accounts.workflows, 60, "large"),
    serve("sweep", accounts.scheduler),
    serve("api", accounts.service),
  ]);
  const functions = { advance, task, large, sweep, api };
  const size = { storageMb: 512, timeoutMs: 60_000 };
  const document: RuntimeDocument = {
    format: 1,
    project,
    region,
    database: `kitaru-${name}`,
    bucket,
    workflowAccount: accounts.workflows,
    advance: advance.url,
    sweep: sweep.url,
    api: api.url,
    tasks: [
      { size: "default", url: task.url, memoryMb: 1024, ...size },
      { size: "large", url: large.url, memoryMb: 4096, ...size },
    ],
  };
  await openStorage({ endpoint: storage.endpoint }).put({
    bucket: runtimeBucketName(project, name),
    key: documentKey,
    contentType: "application/json",
    ifAbsent: false,
    bytes: new TextEncoder().encode(JSON.stringify(document)),
  });
  const call = async (fn: FunctionName, body: object, account?: string): Promise<Called> => {
    const { url } = functions[fn];
    const token = issuer.idToken(account ?? accounts.service, url);
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
    const reply = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: reply.status, body: await reply.json() };
  };
  const parts: readonly Pick<Emulator, "close">[] = [
    ...Object.values(functions),
    ...Object.values(iam),
    workflows,
    firestore,
    storage,
    issuer,
    database,
    bucketProxy,
    orchestration,
  ];
  return {
    options: {
      name,
      project,
      region,
      endpoint: {
        firestore: database.endpoint,
        storage: bucketProxy.endpoint,
        workflows: orchestration.endpoint,
        executions: orchestration.endpoint,
      },
    },
    document,
    env,
    iam,
    issuer,
    serviceAccount: accounts.service,
    functions,
    workflows,
    storage,
    database,
    bucket: bucketProxy,
    orchestration,
    call,
    setSkew: (ms) => writeFileSync(join(clocks, "skew"), String(ms)),
    sweep: async (aheadMs = 0) => {
      writeFileSync(join(clocks, "ahead-sweep"), String(aheadMs));
      const { status, body } = await call("sweep", {}, accounts.scheduler);
      if (status !== 200) throw new Error(`sweep: ${status} ${JSON.stringify(body)}`);
    },
    close: async () => {
      await Promise.all(parts.map((part) => part.close()));
      for (const folder of [source, clocks]) rmSync(folder, { recursive: true });
    },
  };
}
