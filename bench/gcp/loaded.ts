import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Cloud, FunctionName } from "../../test/gcp/cloud.ts";

/** What one request to a function loads. */
export interface Loaded {
  /** Bytes of the functions' code before a request can be taken, and to the end of the request. */
  readonly initialBytes: number;
  readonly bytes: number;
  /** Milliseconds until a request could be taken. */
  readonly loadMs: number;
  /** Whether Google's client of workflows' executions was among it. */
  readonly hasClient: boolean;
}

/** What was asked for, by what was loaded for it. */
export interface LoadedBy {
  /** A start, by the api function. */
  readonly start: Loaded;
  /** The only advance of an execution. */
  readonly advance: Loaded;
}

const program = fileURLToPath(new URL("../programs/loaded-function.mjs", import.meta.url));

/** Start an execution of `counted`, which is deployed, and advance it, each in a process of its own that has loaded nothing yet. */
export async function measureLoaded(cloud: Cloud): Promise<LoadedBy> {
  const { project, region } = cloud.options;
  const place = `projects/${project}/locations/${region}`;
  const workflow = `${place}/workflows/counted/executions/loaded`;
  const started = JSON.stringify({ name: workflow, state: "ACTIVE" });
  // nobody but the process below advances it
  cloud.orchestration.fate = ({ path }) =>
    path.endsWith("/executions")
      ? { kind: "answer", status: 200, body: started }
      : { kind: "pass" };
  try {
    const input = { steps: 3 };
    const start = await ask(cloud, "api", { op: "start", flow: "counted", input, id: "loaded" });
    const callbackUrl = `https://workflowexecutions.googleapis.com/v1/${workflow}/callbacks/1`;
    const asked = { op: "advance", executionId: "loaded", generation: 1, workflow, callbackUrl };
    const advance = await ask(cloud, "advance", { ...asked, after: null });
    return { start, advance };
  } finally {
    cloud.orchestration.fate = () => ({ kind: "pass" });
  }
}

async function ask(cloud: Cloud, name: FunctionName & string, body: object): Promise<Loaded> {
  const { source, env, url } = cloud.functions[name];
  const account = name === "advance" ? cloud.document.workflowAccount : cloud.serviceAccount;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [program, source, name, cloud.issuer.idToken(account, url), JSON.stringify(body)],
    { env: { ...process.env, ...env } },
  );
  const { reply, ...loaded } = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Loaded & {
    readonly reply: { readonly status: number; readonly body: { readonly ok?: boolean } };
  };
  if (reply.status !== 200 || reply.body.ok === false)
    throw new Error(`${name}: ${JSON.stringify(reply)}`);
  return loaded;
}
