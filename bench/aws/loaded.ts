import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { KitaruClient } from "../../core/index.ts";
import { deploy } from "../../core/deployments/deploy.ts";
import { openStack } from "../../core/stacks.ts";
import { bundleFunctions } from "../../infra/aws/function-code.ts";
import type { Cloud } from "../../test/aws/cloud.ts";

/** What one invocation of the quickstart's advance function loads. */
export interface Loaded {
  /** Bytes of the function's code before it can be invoked, and to the end of the invocation. */
  readonly initialBytes: number;
  readonly bytes: number;
  /** Bytes of the flow's bundle, which is not minified. */
  readonly flowBytes: number;
  /** Milliseconds until it could be invoked. */
  readonly loadMs: number;
}

const program = fileURLToPath(new URL("../programs/loaded.mjs", import.meta.url));

/** Resume the waiting quickstart in a process of its own, from the functions' code, and see what that loads. */
export async function measureLoaded(cloud: Cloud): Promise<Loaded> {
  const id = await waitingReview();
  const folder = mkdtempSync(join(tmpdir(), "kitaru-loaded-"));
  let flowBytes = 0;
  const tell = ({ path }: { readonly path: string }, reply: Buffer): void => {
    if (/\/bundles\/\w+\.mjs(?:\?|$)/.test(path)) flowBytes += reply.length;
  };
  cloud.services.onReply.add(tell);
  try {
    bundleFunctions(folder);
    const event = JSON.stringify({ op: "advance", executionId: id, owner: `${id}-1`, machine: "" });
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [program, folder, event, cloud.functionArn("advance")],
      { env: { ...cloud.env, ...cloud.variables } },
    );
    const { kind, ...loaded } = JSON.parse(stdout) as Loaded & { readonly kind: string };
    if (kind !== "park") throw new Error(`The quickstart was to park again, and asked to ${kind}.`);
    if (flowBytes === 0) throw new Error("The quickstart ran, and its bundle was not seen.");
    return { ...loaded, flowBytes };
  } finally {
    cloud.services.onReply.delete(tell);
    rmSync(folder, { recursive: true });
  }
}

async function waitingReview(): Promise<string> {
  const client = new KitaruClient({ stack: "aws" });
  const entry = new URL("../../examples/review/flow.ts", import.meta.url);
  await deploy(await openStack("aws"), { entry, flows: ["review_flow"], tag: "default" });
  const input = { document: "Agents wait. They ask. They go on." };
  const { id, started } = client.deployments.invoke("review_flow", input);
  await started;
  while ((await client.executions.get(id)).status !== "waiting")
    await new Promise((resolve) => setTimeout(resolve, 50));
  return id;
}
