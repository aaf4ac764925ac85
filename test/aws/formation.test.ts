import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import type { ApiReply } from "../../core/client/serve.ts";
import { configure } from "../../core/stacks.ts";
import { kitaru } from "../cli/command-line.ts";
import { project, put } from "../deployments/project.ts";
import { emulated } from "../emulators/dynamodb-local.ts";
import { noMoto, startMoto } from "../emulators/moto.ts";
import type { Emulator } from "../emulators/server.ts";
import { deployApp } from "./formation.ts";
import { synthesizeApp } from "./template.ts";

const source = (word: string): string => `
import { checkpoint, flow, wait } from "kitaru";
import { z } from "zod";
const note = checkpoint("note", (topic: string) => "${word} " + topic);
const approve = wait("approve", { schema: z.boolean(), question: "Publish it?" });
export const review = flow("review", async ({ topic }: { topic: string }) => {
  const text = await note(topic);
  return (await approve()) ? text : "Rejected";
});
`;

/** What the command line tells of an execution. */
interface Told {
  readonly id: string;
  readonly status: string;
  readonly version: string;
  readonly output?: unknown;
  readonly replayOf?: string;
}

describe.skipIf(noMoto !== undefined)(
  `from a template to a completed execution (${noMoto ?? "emulated"})`,
  () => {
    let emulator: Emulator;
    let root = "";
    const folder = mkdtempSync(join(tmpdir(), "kitaru-app-"));
    beforeAll(async () => {
      emulator = await startMoto();
      Object.assign(process.env, {
        AWS_ENDPOINT_URL: emulator.endpoint,
        AWS_REGION: "us-east-1",
        AWS_ACCESS_KEY_ID: "emulated",
        AWS_SECRET_ACCESS_KEY: "emulated",
      });
      await deployApp(emulator.endpoint, synthesizeApp(folder, "agents"));
      root = await project({ "flows.ts": source("first") });
      configure({ root, config: { stacks: { aws: aws({ name: "agents" }) } } });
    }, 120_000);
    afterAll(async () => {
      await emulator.close();
      for (const made of [folder, root]) rmSync(made, { recursive: true, force: true });
    });

    const run = async <T>(...args: readonly string[]): Promise<T> => {
      const ran = await kitaru({ cwd: root }, ...args, "--stack", "aws", "-o", "json");
      expect(ran.err).toBe("");
      const { item, items } = JSON.parse(ran.out) as { item?: T; items?: T };
      return (item ?? items) as T;
    };
    const rests = async (id: string, status: string): Promise<Told> => {
      await expect
        .poll(async () => (await run<Told>("executions", "get", id)).status, { timeout: 30_000 })
        .toBe(status);
      return run<Told>("executions", "get", id);
    };
    const api = async (event: unknown): Promise<ApiReply> => {
      const lambda = new LambdaClient(emulated(emulator.endpoint));
      const { Payload, FunctionError } = await lambda.send(
        new InvokeCommand({
          FunctionName: "kitaru-agents-api",
          Payload: Buffer.from(JSON.stringify(event)),
        }),
      );
      lambda.destroy();
      const text = Buffer.from(Payload ?? []).toString();
      if (FunctionError !== undefined) throw new Error(text);
      return JSON.parse(text) as ApiReply;
    };

    test("deploy, invoke, wait, input, completed; beside it a second version behind canary; a replay", async () => {
      await run("deploy", "flows.ts:review");
      await run("invoke", "review", "--id", "old", "--input", '{"topic":"rain"}');
      await rests("old", "waiting");

      await put(root, "flows.ts", source("second"));
      const [second] = await run<{ version: number; tags: string[] }[]>(
        "deploy",
        "flows.ts:review",
        "--tag",
        "canary",
      );
      expect(second).toMatchObject({ version: 2, tags: ["canary"] });
      await run(
        "invoke",
        "review",
        "--tag",
        "canary",
        "--id",
        "new",
        "--input",
        '{"topic":"rain"}',
      );
      await rests("new", "waiting");

      for (const id of ["old", "new"]) await run("executions", "input", id, "--value", "true");
      expect(await rests("old", "completed")).toMatchObject({ version: "1", output: "first rain" });
      expect(await rests("new", "completed")).toMatchObject({
        version: "2",
        output: "second rain",
      });

      const replayed = await run<Told>(
        "executions",
        "replay",
        "old",
        "--override",
        'checkpoint.note="edited"',
        "--wait",
      );
      expect(replayed).toMatchObject({ status: "waiting", replayOf: "old", version: "1" });
      await run("executions", "input", replayed.id, "--value", "true");
      expect(await rests(replayed.id, "completed")).toMatchObject({ output: "edited" });
    }, 120_000);

    test("another service starts, answers, aborts, cancels and reads through the api function", async () => {
      await run("deploy", "flows.ts:review", "--tag", "default");
      const start = { op: "start", flow: "review", input: { topic: "sun" } };
      const started = { ok: true, result: { executionId: "one", version: "3" } };
      expect(await api({ ...start, id: "one" })).toEqual(started);
      expect(await api({ ...start, id: "one" })).toEqual(started);
      await rests("one", "waiting");
      const answer = { op: "answer", executionId: "one", wait: "approve" };
      expect(await api({ ...answer, value: "perhaps" })).toMatchObject({
        ok: false,
        error: { code: "wait_validation" },
      });
      expect(await api({ ...answer, value: true })).toMatchObject({
        ok: true,
        result: { callId: "approve:0", repeated: false },
      });
      await rests("one", "completed");
      expect(await api({ op: "get", executionId: "one" })).toMatchObject({
        ok: true,
        result: { status: "completed", output: "second sun", input: { topic: "sun" } },
      });

      for (const [id, op, end] of [
        ["two", "abort", "failed"],
        ["three", "cancel", "cancelled"],
      ] as const) {
        await api({ ...start, id });
        await rests(id, "waiting");
        expect(await api({ op, executionId: id })).toMatchObject({ ok: true });
        await rests(id, end);
      }
    }, 120_000);

    test.each([
      [{ op: "get", executionId: "none" }, "not_found", /none/],
      [{ op: "start", flow: "nowhere" }, "not_found", /nowhere/],
      [{ op: "start" }, "usage", /`flow` of "start" is undefined/],
      [{ op: "start", flow: "review", id: 7 }, "usage", /`id` of "start" is 7/],
      [{ op: "start", flow: "review", version: "1" }, "usage", /`version` of "start" is "1"/],
      [{ op: "delete" }, "usage", /`op` is "delete"/],
      [{}, "usage", /`op` is undefined/],
    ])("the api function refuses %j with a value", async (event, code, message) => {
      expect(await api(event)).toEqual({
        ok: false,
        error: { code, message: expect.stringMatching(message) as string },
      });
    });
  },
);
