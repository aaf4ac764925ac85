import { ExecutionsClient } from "@google-cloud/workflows";
import { OAuth2Client } from "google-auth-library";
import type { WorkflowsEmulator } from "./service.ts";

/** Where the tests' workflows are. */
export const place = "projects/emulated/locations/europe-west4";

/** The vendor's client, speaking REST to an emulator. */
export function executionsClient({ endpoint }: WorkflowsEmulator): ExecutionsClient {
  const { hostname, port } = new URL(endpoint);
  const credentials = new OAuth2Client();
  credentials.setCredentials({ access_token: "emulated", expiry_date: Date.now() + 86_400_000 });
  return new ExecutionsClient({
    fallback: true,
    protocol: "http",
    apiEndpoint: hostname,
    port: Number(port),
    projectId: "emulated",
    // the client has a copy of the library of its own
    authClient: credentials as never,
  });
}

/** Create a workflow, or change it; resolves to the status and the body of the reply. */
export async function deployWorkflow(
  { endpoint }: WorkflowsEmulator,
  id: string,
  sourceContents: string,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(`${endpoint}/v1/${place}/workflows?workflowId=${id}`, {
    method: "POST",
    body: JSON.stringify({ sourceContents }),
  });
  return { status: response.status, body: await response.json() };
}
