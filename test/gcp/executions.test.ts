import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Workflows, openWorkflows } from "../../adapters/gcp/clients/workflows.ts";
import { serviceError } from "../../adapters/gcp/failure.ts";
import type { ExecutionsClient, Transport } from "../../adapters/gcp/sdk.ts";
import { deployWorkflow, place } from "../emulators/workflows/client.ts";
import { type Fate, type FaultProxy, startFaultProxy } from "../emulators/fault-proxy.ts";
import { type FakeRequest, refusal, startFake } from "../emulators/http-fake.ts";
import { type WorkflowsEmulator, startWorkflows } from "../emulators/workflows/service.ts";

const workflow = `${place}/workflows/review`;
const source = "main:\n  params: [args]\n  steps:\n    - finish:\n        return: ${args}\n";
const pass: Fate = { kind: "pass" };
const lost: Fate = { kind: "lose" };

describe("executions of workflows", () => {
  let emulator: WorkflowsEmulator;
  let proxy: FaultProxy;
  let workflows: Workflows;
  beforeAll(async () => {
    emulator = await startWorkflows();
    proxy = await startFaultProxy(emulator.endpoint);
    workflows = openWorkflows({ endpoint: proxy.endpoint });
    await deployWorkflow(emulator, "review", source);
  });
  afterEach(() => {
    proxy.fate = () => pass;
  });
  afterAll(async () => {
    await proxy.close();
    await emulator.close();
  });

  /** Let these become of the next requests; resolves to how many were sent, and what came of `act`. */
  const disturbed = async (
    fates: readonly Fate[],
    act: () => Promise<unknown>,
  ): Promise<{ readonly sent: number; readonly came: unknown }> => {
    let sent = 0;
    proxy.fate = () => fates[Math.min(sent++, fates.length - 1)] ?? pass;
    const came = await act().catch((error: unknown) => serviceError(error, { what: "It failed" }));
    return { sent, came: came instanceof Error ? came.message : came };
  };

  test("are started with the argument, and over once they have ended or never were", async () => {
    await workflows.start(workflow, '{"executionId":"a"}');
    const started = emulator.executions.at(-1);
    expect(started).toMatchObject({ argument: '{"executionId":"a"}' });
    await started?.ended;
    expect(await workflows.isOver(started?.name ?? "")).toBe(true);
    expect(await workflows.isOver(`${workflow}/executions/never`)).toBe(true);
    const [active, failed] = [{ state: "ACTIVE" }, { state: "FAILED", error: { payload: "no" } }];
    const name = `${workflow}/executions/any`;
    const states = [active, { state: "QUEUED" }, failed, { state: "CANCELLED", later: 1 }];
    const isOver: unknown[] = [];
    for (const state of states) {
      const answer = { ...refusal(200, "OK"), body: JSON.stringify({ name, ...state }) };
      isOver.push((await disturbed([answered(answer)], () => workflows.isOver(name))).came);
    }
    expect(isOver).toEqual([false, false, true, true]);
  });

  test("are asked for again after throttling, servers in trouble and lost replies", async () => {
    const fates = [failure(429, "RESOURCE_EXHAUSTED"), failure(500, "INTERNAL"), lost, pass];
    const before = emulator.executions.length;
    expect(await disturbed(fates, () => workflows.start(workflow, "{}"))).toEqual({ sent: 4 });
    expect(emulator.executions.length).toBe(before + 2); // the one whose reply was lost is there too
  }, 60_000);

  test("are asked for six times, and then it is said what the service said", async () => {
    const start = (): Promise<void> => workflows.start(workflow, "{}");
    const throttled = await disturbed([failure(429, "RESOURCE_EXHAUSTED", "too many")], start);
    expect(throttled).toMatchObject({ sent: 6 });
    expect(throttled.came).toContain("It failed: it was throttled and stayed so (too many).");
    const unreached = await disturbed([lost], start);
    expect(unreached).toMatchObject({ sent: 6, came: expect.stringContaining("UNREACHED: 127.") });
  }, 60_000);

  test("are asked for once where they are refused, and it is said why", async () => {
    const missing = await disturbed([pass], () => workflows.start(`${workflow}-2`, "{}"));
    expect(missing.came).toContain(`does not exist in this project and region (${workflow}-2)`);
    const message = "Permission workflows.executions.get denied";
    const forbidden = await disturbed([failure(403, "PERMISSION_DENIED", message)], () =>
      workflows.isOver(`${workflow}/executions/any`),
    );
    expect(forbidden).toMatchObject({ sent: 1 });
    expect(forbidden.came).toContain(`these credentials may not (PERMISSION_DENIED: ${message})`);
    const page = await disturbed([{ kind: "answer", status: 400, body: "<html>bad" }], () =>
      workflows.start(workflow, "{}"),
    );
    expect(page.came).toContain("INVALID_ARGUMENT: <html>bad.");
  });
});

test("executions are asked for by Google's client, with our credentials, over REST", async () => {
  const asked: FakeRequest[] = [];
  const fake = await startFake((request) => {
    asked.push(request);
    return { body: { name: `${workflow}/executions/1`, state: "ACTIVE" } };
  });
  try {
    await openWorkflows({ endpoint: `${fake.endpoint}/below` }).start(workflow, '{"a":"ä"}');
    const [{ method, path, headers, body } = { headers: {} }] = asked;
    expect({ method, path }).toEqual({ method: "POST", path: `/below/v1/${workflow}/executions` });
    expect(JSON.parse(String(body))).toMatchObject({ argument: '{"a":"ä"}' });
    expect(headers).toMatchObject({
      authorization: "Bearer owner",
      "x-goog-api-client": expect.stringMatching(/gapic\/\S+ .*rest\//),
      "x-goog-request-params": `parent=${encodeURIComponent(workflow)}`,
    });
  } finally {
    await fake.close();
  }
});

test("what the service said is found where the client hides it behind an error of its own", async () => {
  const fake = await startFake(() => refusal(404, "NOT_FOUND", "no such workflow"));
  const library = {
    ExecutionsClient: class implements ExecutionsClient {
      readonly #transport: Transport;
      constructor({ authClient }: { readonly authClient: Transport }) {
        this.#transport = authClient;
      }
      createExecution(): Promise<never> {
        return this.getExecution();
      }
      async getExecution(): Promise<never> {
        const cause = await this.#transport.fetch("https://google/v1/x").catch((error) => error);
        throw new Error("UNAVAILABLE", { cause });
      }
    },
  };
  try {
    const workflows = openWorkflows({ endpoint: fake.endpoint }, async () => library);
    const start = workflows.start(workflow, "{}");
    await expect(start).rejects.toMatchObject({ name: "NOT_FOUND", message: "no such workflow" });
    expect(await workflows.isOver(`${workflow}/executions/1`)).toBe(true);
  } finally {
    await fake.close();
  }
});

function failure(status: number, name: string, message = name): Fate {
  return answered({ ...refusal(status, name, message), status });
}

function answered({ status = 200, body }: { readonly status?: number; readonly body?: unknown }) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { kind: "answer", status, body: text } as const;
}
