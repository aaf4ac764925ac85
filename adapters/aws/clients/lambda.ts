import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { type AwsClientOptions, clientConfig } from "./config.ts";

/** The part of Lambda this package uses. */
export interface Functions {
  /** Have a function run later; resolves once Lambda has taken the event. */
  send(functionArn: string, payload: unknown): Promise<void>;
  close(): void;
}

/** Open a client. */
export function openFunctions(options: AwsClientOptions): Functions {
  const client = new LambdaClient(clientConfig(options, { maxAttempts: 6 }));
  return {
    send: async (FunctionName, payload) => {
      await client.send(
        new InvokeCommand({
          FunctionName,
          InvocationType: "Event",
          Payload: new TextEncoder().encode(JSON.stringify(payload)),
        }),
      );
    },
    close: () => client.destroy(),
  };
}
