import {
  CreateStateMachineCommand,
  DeleteStateMachineCommand,
  SFNClient,
  SendTaskSuccessCommand,
  StartExecutionCommand,
  StopExecutionCommand,
} from "@aws-sdk/client-sfn";
import { type AwsClientOptions, clientConfig } from "./config.ts";

/** A state machine to create. */
export interface NewMachine {
  readonly name: string;
  readonly definition: string;
  readonly roleArn: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** The part of Step Functions this package uses. Rejections keep the SDK's error names. */
export interface Machines {
  create(machine: NewMachine): Promise<void>;
  delete(machineArn: string): Promise<void>;
  start(input: {
    readonly stateMachineArn: string;
    readonly name: string;
    readonly input: string;
  }): Promise<void>;
  succeed(taskToken: string): Promise<void>;
  stop(executionArn: string, cause: string): Promise<void>;
  close(): void;
}

/** Open a client. Six tries of a request: starts and wakes are throttled by a bucket that fills up within seconds. */
export function openMachines(options: AwsClientOptions): Machines {
  const client = new SFNClient(clientConfig(options, { maxAttempts: 6 }));
  return {
    create: async ({ tags, ...machine }) => {
      await client.send(
        new CreateStateMachineCommand({
          ...machine,
          type: "STANDARD",
          tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
        }),
      );
    },
    delete: async (stateMachineArn) => {
      await client.send(new DeleteStateMachineCommand({ stateMachineArn }));
    },
    start: async (input) => {
      await client.send(new StartExecutionCommand(input));
    },
    succeed: async (taskToken) => {
      await client.send(new SendTaskSuccessCommand({ taskToken, output: "{}" }));
    },
    stop: async (executionArn, cause) => {
      await client.send(new StopExecutionCommand({ executionArn, error: "cancelled", cause }));
    },
    close: () => client.destroy(),
  };
}
