import { type FakeReply, type FakeRequest, startFake } from "./http-fake.ts";
import type { Emulator } from "./server.ts";

/** The publishing interface of a function app. */
export interface FunctionApp extends Emulator {
  /** Packages that were published, oldest first. */
  readonly packages: Buffer[];
  /** Answers the next publications in place of the app. */
  readonly refusals: FakeReply[];
  /** What looking at the newest deployment gives, one after the other; the last stays. */
  statuses: readonly { readonly status: number; readonly status_text?: string }[];
}

/** The token the app takes. */
export const publisherToken = "emulated";

/** Start an app that takes packages and needs a while for each. */
export async function startFunctionApp(): Promise<FunctionApp> {
  const app = { packages: [] as Buffer[], refusals: [] as FakeReply[], statuses: [{ status: 4 }] };
  const emulator = await startFake((request) => answer(app, request));
  return Object.assign(app, emulator);
}

type AppState = Pick<FunctionApp, "packages" | "refusals" | "statuses">;

function answer(app: AppState, { method, path, query, headers, body }: FakeRequest): FakeReply {
  if (headers.authorization !== `Bearer ${publisherToken}`) return { status: 401 };
  if (method === "POST" && path === "/api/publish") {
    if (headers["content-type"] !== "application/zip") return { status: 415 };
    if (query.get("RemoteBuild") !== "false") return { status: 400 };
    const refusal = app.refusals.shift();
    if (refusal !== undefined) return refusal;
    app.packages.push(body);
    return { status: 202, body: `deployment-${app.packages.length}` };
  }
  if (method === "GET" && path === `/api/deployments/deployment-${app.packages.length}`) {
    const [next, ...rest] = app.statuses;
    if (rest.length > 0) app.statuses = rest;
    // also a deployment that has failed is found
    return { status: 200, body: next };
  }
  return { status: 404 };
}
