import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  SFNClient,
} from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openMachines } from "../../adapters/aws/clients/sfn.ts";
import { type MachineParts, emitStateMachine } from "../../adapters/aws/emit.ts";
import type { FlowPlan, Plan } from "../../core/plan/plan.ts";
import { emulated } from "../emulators/dynamodb-local.ts";
import { noMoto, startMoto } from "../emulators/moto.ts";
import type { Emulator } from "../emulators/server.ts";
import { createScripted } from "./scripted.ts";

const arn = (name: string): string => `arn:aws:lambda:us-east-1:123456789012:function:${name}`;
const size = { arn: arn("scripted"), storageMb: 512, timeoutMs: 900_000 };
const parts: MachineParts = {
  advance: arn("scripted"),
  park: arn("scripted"),
  tasks: [
    { ...size, size: "default", memoryMb: 1024 },
    { ...size, size: "large", memoryMb: 4096 },
  ],
  bucket: "scripts",
};
const flow: FlowPlan = { flow: "review_flow", name: "review_flow-0123456789ab" };
const plan: Plan = {
  kind: "plan",
  bundle: "0123456789abcdef",
  flows: [flow],
  waits: [{ wait: "approve_draft" }],
  tasks: [
    { checkpoint: "render", memoryMb: 2048 },
    { checkpoint: "crash" },
    { checkpoint: "embed" },
  ],
};

describe.skipIf(noMoto !== undefined)(
  `a flow's state machine on moto (${noMoto ?? "found"})`,
  () => {
    let emulator: Emulator;
    let s3: S3Client;
    let sfn: SFNClient;
    beforeAll(async () => {
      emulator = await startMoto();
      const options = emulated(emulator.endpoint);
      s3 = new S3Client({ ...options, forcePathStyle: true });
      sfn = new SFNClient(options);
      await s3.send(new CreateBucketCommand({ Bucket: "scripts" }));
      const role = await createScripted(options);
      const machines = openMachines(options);
      await machines.create({
        name: "agents",
        definition: JSON.stringify(emitStateMachine(plan, flow, parts)),
        roleArn: role,
        tags: {},
      });
    }, 60_000);
    afterAll(() => emulator.close());

    const run = async (id: string, directives: readonly object[]) => {
      await s3.send(
        new PutObjectCommand({
          Bucket: "scripts",
          Key: id,
          Body: JSON.stringify(directives),
          ACL: "public-read",
        }),
      );
      const machines = openMachines(emulated(emulator.endpoint));
      await machines.start({
        stateMachineArn: "arn:aws:states:us-east-1:123456789012:stateMachine:agents",
        name: `${id}-1`,
        input: JSON.stringify({ executionId: id, owner: `${id}-1` }),
      });
      return ended(`${id}-1`);
    };
    const ended = async (name: string) => {
      const executionArn = `arn:aws:states:us-east-1:123456789012:execution:agents:${name}`;
      for (;;) {
        const { status, error, cause } = await sfn.send(
          new DescribeExecutionCommand({ executionArn }),
        );
        if (status !== "RUNNING") {
          const { events = [] } = await sfn.send(
            new GetExecutionHistoryCommand({ executionArn, maxResults: 1000 }),
          );
          const states = events.flatMap((event) => event.stateEnteredEventDetails?.name ?? []);
          return { status, error, cause, states };
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };

    test("ends as the flow ended", async () => {
      expect(await run("done", [{ kind: "end", status: "completed" }])).toMatchObject({
        status: "SUCCEEDED",
        states: ["Start", "Route", "Completed"],
      });
      expect(
        await run("broken", [{ kind: "end", status: "failed", code: "execution" }]),
      ).toMatchObject({
        status: "FAILED",
        error: "execution",
        cause: "broken",
      });
    });

    test("parks in the state of the wait, and advances when woken or when its time is over", async () => {
      const park = { kind: "park", seen: "absent", wakeAt: 1, seconds: 1 };
      expect(
        await run("waits", [
          { ...park, label: "approve_draft", seconds: 60, wakes: true },
          { ...park, label: "sleep" },
          { kind: "advance" },
          { kind: "end", status: "completed" },
        ]),
      ).toMatchObject({
        status: "SUCCEEDED",
        states: [
          "Start",
          "Route",
          "Wait for approve_draft",
          "Advance",
          "Route",
          "Park",
          "Advance",
          "Route",
          "Advance",
          "Route",
          "Completed",
        ],
      });
    });

    test("runs isolated attempts, few in their own state, many from a list", async () => {
      const task = (name: string, n: number) => ({ callId: `${name}:${n}`, attempt: 1, name });
      await s3.send(
        new PutObjectCommand({
          Bucket: "scripts",
          Key: "tasks/many.json",
          Body: JSON.stringify([1, 2, 3].map((n) => task("embed", n))),
        }),
      );
      const result = await run("tasks", [
        {
          kind: "tasks",
          label: "render",
          tasks: [task("render", 0), task("render", 1)],
          count: 2,
        },
        {
          kind: "tasks",
          label: "",
          tasks: [task("render", 2), task("crash", 0)],
          count: 2,
        },
        { kind: "manyTasks", key: "tasks/many.json" },
        { kind: "end", status: "completed" },
      ]);
      expect(result).toMatchObject({ status: "SUCCEEDED" });
      expect(result.states).toEqual(
        expect.arrayContaining(["Run render", "Run tasks", "Run many tasks"]),
      );
    });

    test("a new execution takes over before the history is full", async () => {
      const many = { kind: "tasks", label: "", tasks: [], count: 2000 };
      const first = await run("long", [
        many,
        { ...many, epoch: 7 },
        { kind: "end", status: "completed" },
      ]);
      expect(first).toMatchObject({
        status: "SUCCEEDED",
        states: ["Start", "Route", "Run tasks", "Advance", "Route", "Renew"],
      });
      expect(await ended("long-1-r7")).toMatchObject({
        status: "SUCCEEDED",
        states: ["Start", "Route", "Completed"],
      });
    });
  },
);
