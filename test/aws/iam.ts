import {
  type Resource,
  operatorPermissions,
  permissionsOf,
} from "../../adapters/aws/permissions.ts";
import type { StartMode } from "../../adapters/aws/permissions.ts";
import type { FaultProxy, Passing } from "../emulators/fault-proxy.ts";

/** Something a request needs to be allowed. */
export interface Need {
  readonly action: string;
  /** ARN. */
  readonly resource: string;
}

/** One action on resources of one name or beginning of names. */
export type Permission = Need;

const account = "123456789012";
const region = "us-east-1";

/** ARNs of each kind of resource of a runtime, as the template grants them. */
function arnsOf(name: string): Readonly<Record<Resource, string>> {
  const arn = (service: string, rest: string): string =>
    `arn:aws:${service}:${region}:${account}:${rest}`;
  const bucket = `arn:aws:s3:::kitaru-${name}-${account}-${region}`;
  const table = arn("dynamodb", `table/kitaru-${name}`);
  return {
    table,
    "due index": `${table}/index/due`,
    "flow index": `${table}/index/flow`,
    values: `${bucket}/blobs/*`,
    bundles: `${bucket}/bundles/*`,
    manifests: `${bucket}/manifests/*`,
    "task lists": `${bucket}/tasks/*`,
    bucket,
    machines: arn("states", `stateMachine:${name}-*`),
    "machine executions": arn("states", `execution:${name}-*:*`),
    secrets: arn("secretsmanager", `secret:kitaru/${name}/*`),
    parameters: arn("ssm", `parameter/kitaru/${name}/*`),
    document: arn("ssm", `parameter/kitaru/${name}/runtime`),
    "advance function": arn("lambda", `function:kitaru-${name}-advance`),
    "machine role": `arn:aws:iam::${account}:role/kitaru-${name}-machine-${region}`,
  };
}

/** Everybody who calls a runtime's services. */
export const callers = ["advance", "park", "task", "sweep", "api", "operator"] as const;
export type Caller = (typeof callers)[number];

/** What somebody is allowed, one action and one resource each. */
export function permissionsFor(name: string, caller: Caller, mode: StartMode): Permission[] {
  const arns = arnsOf(name);
  const grants = caller === "operator" ? operatorPermissions(mode) : permissionsOf(caller, mode);
  return grants.flatMap(({ on, actions }) =>
    actions.map((action) => ({ action, resource: arns[on] })),
  );
}

/** Access key of whoever uses the command line, or a client. */
export const operatorKey = "operator";

/** Stands in for IAM: refuses what is not allowed, and remembers what was asked. */
export class Iam {
  readonly #name: string;
  readonly #permissions: Readonly<Record<Caller, readonly Permission[]>>;
  readonly #used = new Set<string>();
  readonly refused: string[] = [];

  constructor(name: string, mode: StartMode) {
    this.#name = name;
    this.#permissions = Object.fromEntries(
      callers.map((caller) => [caller, permissionsFor(name, caller, mode)]),
    ) as Record<Caller, Permission[]>;
  }

  /** Decide about what passes a proxy. */
  guard(proxy: FaultProxy): void {
    proxy.authorize = (request) => {
      const caller = this.#callerOf(request);
      if (caller === undefined) return undefined;
      const missing = needsOf(request, this.#name).find((need) => !this.#allows(caller, need));
      return missing === undefined ? undefined : this.#refuse(caller, missing, request);
    };
    proxy.onReply.add((request, _reply, status) => {
      const caller = this.#callerOf(request);
      // without this permission "there is none" is "access denied"
      if (caller !== undefined && status === 404 && request.service === "s3")
        for (const resource of [arnsOf(this.#name).bucket])
          if (!this.#allows(caller, { action: "s3:ListBucket", resource }))
            this.refused.push(`${caller} s3:ListBucket ${resource}`);
    });
  }

  /** Permissions nobody has needed so far, as `CALLER ACTION RESOURCE`. */
  unused(): string[] {
    return callers.flatMap((caller) =>
      this.#permissions[caller]
        .map(({ action, resource }) => `${caller} ${action} ${resource}`)
        .filter((permission) => !this.#used.has(permission)),
    );
  }

  #callerOf({ caller }: Passing): Caller | undefined {
    if (caller === operatorKey) return "operator";
    const prefix = `kitaru${this.#name}`;
    return callers.find((one) => caller.startsWith(`${prefix}${one}`));
  }

  #allows(caller: Caller, need: Need): boolean {
    const found = this.#permissions[caller].filter((one) => covers(one, need));
    for (const { action, resource } of found) this.#used.add(`${caller} ${action} ${resource}`);
    return found.length > 0;
  }

  #refuse(caller: Caller, { action, resource }: Need, { service }: Passing) {
    this.refused.push(`${caller} ${action} ${resource}`);
    const message = `${caller} is not authorized to perform: ${action} on resource: ${resource}`;
    return service === "s3"
      ? ({
          kind: "answer",
          status: 403,
          body: `<Error><Code>AccessDenied</Code><Message>${message}</Message></Error>`,
        } as const)
      : ({
          kind: "answer",
          status: 400,
          body: JSON.stringify({ __type: "AccessDeniedException", message }),
        } as const);
  }
}

/** `*` at the end of a resource stands for anything. */
export function covers(permission: Permission, need: Need): boolean {
  if (permission.action !== need.action) return false;
  const pattern = permission.resource
    .split("*")
    .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${pattern.join(".*")}$`).test(need.resource);
}

/** What IAM asks of a request, by https://docs.aws.amazon.com/service-authorization/. */
function needsOf(request: Passing, name: string): Need[] {
  const { service, action } = request;
  const body = (): Readonly<Record<string, string>> =>
    JSON.parse(request.body.toString()) as Record<string, string>;
  const arn = (rest: string): string => `arn:aws:${service}:${region}:${account}:${rest}`;
  switch (service) {
    case "dynamodb": {
      const { TableName, IndexName } = body();
      const index = IndexName === undefined ? "" : `/index/${IndexName}`;
      return [{ action: `dynamodb:${action}`, resource: arn(`table/${TableName}${index}`) }];
    }
    case "s3":
      return [objectNeed(request)];
    case "states":
      return machineNeeds(action, body(), name);
    case "lambda": {
      const [, , , fn = ""] = request.path.split("/");
      const found = decodeURIComponent(fn);
      return [
        {
          action: "lambda:InvokeFunction",
          resource: found.startsWith("arn:") ? found : arn(`function:${found}`),
        },
      ];
    }
    case "secretsmanager":
      return [
        { action: `${service}:${action}`, resource: arn(`secret:${body()["SecretId"]}-AbCdEf`) },
      ];
    case "ssm": {
      const parameter = body()["Name"]?.replace(/^\//, "") ?? "";
      return [{ action: `ssm:${action}`, resource: arn(`parameter/${parameter}`) }];
    }
    default:
      throw new Error(`Nobody was to call ${service}: ${request.method} ${request.path}`);
  }
}

function objectNeed({ method, path }: Passing): Need {
  const url = new URL(path, "http://s3");
  const [, bucket = "", ...key] = decodeURIComponent(url.pathname).split("/");
  const object = key.join("/");
  if (object === "") return { action: "s3:ListBucket", resource: `arn:aws:s3:::${bucket}` };
  const resource = `arn:aws:s3:::${bucket}/${object}`;
  switch (method) {
    case "GET":
    case "HEAD":
      return { action: "s3:GetObject", resource };
    case "DELETE":
      return {
        action: url.searchParams.has("uploadId") ? "s3:AbortMultipartUpload" : "s3:DeleteObject",
        resource,
      };
    default:
      return { action: "s3:PutObject", resource };
  }
}

function machineNeeds(
  action: string,
  { stateMachineArn, executionArn, name, roleArn }: Readonly<Record<string, string>>,
  runtime: string,
): Need[] {
  const machine = (of: string): string => `arn:aws:states:${region}:${account}:stateMachine:${of}`;
  switch (action) {
    case "CreateStateMachine": {
      const resource = machine(name ?? "");
      return [
        { action: "states:CreateStateMachine", resource },
        { action: "states:TagResource", resource }, // it is created with tags
        { action: "iam:PassRole", resource: roleArn ?? "" },
      ];
    }
    case "SendTaskSuccess":
      // the token says which machine it is of
      return [{ action: "states:SendTaskSuccess", resource: machine(`${runtime}-any`) }];
    default:
      return [{ action: `states:${action}`, resource: stateMachineArn ?? executionArn ?? "" }];
  }
}
