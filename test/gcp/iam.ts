import { type Role, permissions } from "../../adapters/gcp/permissions.ts";
import {
  type Fate,
  type FaultProxy,
  type Passing,
  startFaultProxy,
} from "../emulators/fault-proxy.ts";

/** Who asks in a runtime's name. */
export type Account = Exclude<Role, "workflows">;

/** Stands before the services as IAM does, for one account: what its role does not permit is refused. */
export interface Iam {
  /** Environment under which its requests pass here. */
  readonly env: Readonly<Record<string, string>>;
  /** Permissions that were needed so far. */
  readonly needed: ReadonlySet<string>;
  /** Permissions that were needed and are not there. */
  readonly refused: ReadonlySet<string>;
  close(): Promise<void>;
}

/** Where the services are, as the environment names them. */
type Services = Readonly<Record<keyof typeof permissionsOf, string>>;

/** What each service asks IAM for, by request (https://cloud.google.com/iam/docs/permissions-reference). */
const permissionsOf = {
  FIRESTORE_EMULATOR_HOST: ({ path, body }: Passing): string => {
    if (path.endsWith(":batchGet")) return "datastore.entities.get";
    if (path.endsWith(":runQuery")) return "datastore.entities.list";
    if (body.includes('"delete":')) return "datastore.entities.delete";
    return body.includes('"exists":false')
      ? "datastore.entities.create"
      : "datastore.entities.update";
  },
  STORAGE_EMULATOR_HOST: ({ method, path }: Passing): string => {
    if (path.startsWith("/upload/"))
      return path.includes("ifGenerationMatch=0") || method === "PUT"
        ? "storage.objects.create"
        : "storage.objects.delete"; // what replaces an object needs both
    return /\/o\/[^?]+/.test(path) ? "storage.objects.get" : "storage.objects.list";
  },
  KITARU_GCP_ENDPOINT: ({ method, path }: Passing): string => {
    if (path.includes("/secrets/")) return "secretmanager.versions.access";
    if (path.includes("/callbacks/")) return "workflows.callbacks.send";
    if (method === "GET") return "workflows.executions.get";
    return path.endsWith("/executions")
      ? "workflows.executions.create"
      : "workflows.workflows.create";
  },
} as const;

/** Put IAM before the services for the requests of an account. */
export async function startIam(account: Account, services: Services): Promise<Iam> {
  const granted = new Set(permissions[account].flatMap((grant) => grant.permissions));
  const [needed, refused] = [new Set<string>(), new Set<string>()];
  const decide = (permission: string): Fate => {
    needed.add(permission);
    if (granted.has(permission)) return { kind: "pass" };
    refused.add(permission);
    const message = `Permission ${permission} denied`;
    const error = { code: 403, message, status: "PERMISSION_DENIED" };
    return { kind: "answer", status: 403, body: JSON.stringify({ error }) };
  };
  const proxies: FaultProxy[] = [];
  const env: Record<string, string> = {};
  for (const [name, permissionOf] of Object.entries(permissionsOf)) {
    const proxy = await startFaultProxy(services[name as keyof Services]);
    proxy.fate = (passing) => decide(permissionOf(passing));
    env[name] = proxy.endpoint;
    proxies.push(proxy);
  }
  return {
    env,
    needed,
    refused,
    close: async () => {
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };
}
