// What `check-pack.mjs` installs for each cloud, in steps, what a user's program then does, and what it must print.
import { awsPackages } from "../adapters/aws/sdk.ts";
import { azurePackages, functionPackages } from "../adapters/azure/sdk.ts";
import { gcpPackages } from "../adapters/gcp/sdk.ts";

/** Ends every program: prints in a line what came of each thing it did. */
const printAll = `
for (const [what, act] of Object.entries(acts))
  console.log(what + ":", await act().then(JSON.stringify, (reason) => String(reason).replaceAll(/\\s+/g, " ")));
`;

const awsProgram = `
import { createServer } from "node:http";
import { aws } from "kitaru/aws";
import { sweep } from "kitaru/aws/handler";

const services = createServer(({ headers }, response) => {
  const isParameter = String(headers["x-amz-target"]).endsWith("GetParameter");
  response.writeHead(isParameter ? 400 : 200, { "content-type": "application/x-amz-json-1.0" });
  response.end(isParameter ? '{"__type":"ParameterNotFound"}' : '{"Items":[]}');
});
await new Promise<void>((resolve) => void services.listen(0, "127.0.0.1", resolve));
const { port } = services.address() as { readonly port: number };
Object.assign(process.env, {
  AWS_ENDPOINT_URL: "http://127.0.0.1:" + port,
  AWS_REGION: "eu-west-1",
  AWS_ACCESS_KEY_ID: "nobody",
  AWS_SECRET_ACCESS_KEY: "none",
  KITARU_AWS_NAME: "agents",
  KITARU_AWS_TABLE: "table",
  KITARU_AWS_BUCKET: "bucket",
});
const context = {
  invokedFunctionArn: "arn:aws:lambda:eu-west-1:123456789012:function:kitaru-agents-sweep",
  awsRequestId: "request",
  getRemainingTimeInMillis: () => 60_000,
};
const acts = {
  open: async () => Object.keys(await aws({ name: "agents" }).open({ name: "prod", root: "." })),
  sweep: async () => sweep({}, context),
};
${printAll}
services.close();
`;

const azureProgram = `
import { createServer } from "node:http";
import { KitaruClient, configure } from "kitaru";
import { azure } from "kitaru/azure";
import { runtimeTemplate } from "kitaru/infra/azure";

let published = 0;
/** Storage that takes everything and has nothing, and an app that takes packages. */
function answerTo(method: string, url: string): [status: number, type: string, body: string] {
  if (url.startsWith("/api/deployments/")) return [200, "application/json", '{"status":4}'];
  if (method !== "GET") return [201, "application/json", "{}"];
  return url.includes("(")
    ? [404, "application/json", '{"odata.error":{"code":"ResourceNotFound"}}']
    : [404, "application/xml", "<Error><Code>BlobNotFound</Code></Error>"];
}

const services = createServer((request, response) => {
  const { method = "", url = "" } = request;
  const [status, type, body] = answerTo(method, url);
  let bytes = 0;
  request.on("data", (chunk: Uint8Array) => (bytes += chunk.byteLength)).on("end", () => {
    if (url.startsWith("/api/publish")) published = bytes;
    response.writeHead(status, { etag: '"1"', "content-type": type }).end(body);
  });
});
await new Promise<void>((resolve) => void services.listen(0, "127.0.0.1", resolve));
const { port } = services.address() as { readonly port: number };
const url = "http://127.0.0.1:" + port;
const name = "contosoagents";
const credential = {
  getToken: async () => ({ token: "t", expiresOnTimestamp: Date.now() + 3_600_000 }),
};
const connectionString = [
  "DefaultEndpointsProtocol=http;AccountName=contosoagents;AccountKey=a2V5",
  ...["Table", "Blob", "Queue"].map((service) => service + "Endpoint=" + url + "/contosoagents"),
].join(";");
const endpoints = { publish: url };
const stacks = { prod: azure({ name, credential, endpoints, connectionString }) };
configure({ config: { stacks }, stack: "prod" });
const key = { partition: "exec/none", sort: "head" };
const acts = {
  template: async () => runtimeTemplate().resources.length > 5,
  identity: async () => (await azure({ name }).open({ name: "prod", root: "." })).records.get(key),
  deploy: async () => {
    const entry = new URL("../flows.ts", import.meta.url);
    return new KitaruClient().deployments.deploy({ entry });
  },
  app: async () => published > 100_000,
  handler: async () => (await import("kitaru/azure/handler")).registerFunctions() ?? "defined",
};
${printAll}
services.close();
`;

const gcpProgram = `
import { createServer } from "node:http";
import { gcp } from "kitaru/gcp";
import { sweep } from "kitaru/gcp/handler";
import { kitaruRuntime, writeRuntime } from "kitaru/infra/gcp";

const place = { name: "agents", project: "my-project", region: "europe-west4" };
const url = "https://functions.example";
const runtime = {
  ...{ format: 1, project: place.project, region: place.region, database: "kitaru-agents" },
  ...{ bucket: "agents", workflowAccount: "workflows@example.com", advance: url, sweep: url, api: url },
  tasks: [{ size: "default", url, memoryMb: 512, storageMb: 512, timeoutMs: 60_000 }],
};
/** Keys that are none, the document of a runtime, and an execution of a workflow that has ended. */
const services = createServer((request, response) => {
  const isRuntime = request.url?.startsWith("/storage/");
  const isExecution = request.url?.includes("/executions/");
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(isRuntime ? runtime : isExecution ? { state: "SUCCEEDED" } : {}));
});
await new Promise<void>((resolve) => void services.listen(0, "127.0.0.1", resolve));
const { port } = services.address() as { readonly port: number };
const endpoint = "http://127.0.0.1:" + port;
Object.assign(process.env, {
  KITARU_GCP_NAME: "agents",
  KITARU_GCP_AUDIENCE: "https://sweep",
  KITARU_GCP_KEYS_URL: endpoint,
});
const execution =
  "projects/my-project/locations/europe-west4/workflows/agents-a-0123/executions/e-1";
const headers = { authorization: "Bearer e30.e30.e30" };
const acts = {
  terraform: async () => Object.keys(kitaruRuntime(place).resource).length > 5,
  functions: async () => writeRuntime("kitaru-gcp", place) ?? "written",
  open: async () => Object.keys(await gcp(place).open({ name: "prod", root: "." })),
  execution: async () => {
    const backend = await gcp({ ...place, endpoint }).open({ name: "prod", root: "." });
    return backend.orchestrator.isGone(execution);
  },
  sweep: () =>
    new Promise((resolve) => {
      const json = (body: unknown) => resolve({ status, body });
      let status = 0;
      const response = { json, status: (code: number) => ((status = code), response) };
      void sweep({ method: "POST", headers }, response);
    }),
};
${printAll}
services.close();
`;

/** The command that a message names. */
const installs = (packages) => `npm install ${packages.join(" ")}`;

/**
 * The clouds by name: what their adapters ask to be installed, and what becomes of their program with nothing and after each
 * installation. `variables` keep the program from finding credentials of this machine.
 */
export const clouds = {
  gcp: {
    program: gcpProgram,
    variables: { METADATA_SERVER_DETECTION: "none", GOOGLE_APPLICATION_CREDENTIALS: "" },
    steps: [
      {
        packages: [],
        prints: {
          terraform: "true",
          functions: installs(gcpPackages),
          open: installs(gcpPackages),
          execution: installs(gcpPackages),
          sweep: installs(gcpPackages),
        },
      },
      {
        packages: gcpPackages,
        prints: {
          terraform: "true",
          functions: '"written"',
          execution: "true",
          open: "no Google Cloud credentials were found",
          sweep: '"status":401',
        },
      },
    ],
  },
  azure: {
    program: azureProgram,
    variables: { AZURE_TOKEN_CREDENTIALS: "EnvironmentCredential" },
    steps: [
      {
        packages: [],
        prints: {
          template: "true",
          identity: installs(azurePackages),
          deploy: installs(azurePackages),
          handler: installs(functionPackages),
        },
      },
      {
        packages: azurePackages,
        prints: {
          template: "true",
          identity: "no Azure credentials were found",
          deploy: installs(functionPackages),
          handler: installs(functionPackages),
        },
      },
      {
        packages: functionPackages,
        prints: {
          template: "true",
          identity: "no Azure credentials were found",
          // storage that has nothing does not give back the version that was put there
          deploy: "was deleted while it was being deployed",
          app: "true",
          handler: '"defined"',
        },
      },
    ],
  },
  aws: {
    program: awsProgram,
    variables: {},
    steps: [
      { packages: [], prints: { open: installs(awsPackages), sweep: installs(awsPackages) } },
      {
        packages: awsPackages,
        prints: { open: 'There is no runtime "agents"', sweep: '{"overdue":0}' },
      },
    ],
  },
};
