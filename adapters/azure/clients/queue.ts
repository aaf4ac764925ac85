import { QueueClient } from "@azure/storage-queue";
import type { AppMessage } from "../directive.ts";
import { serviceError } from "../failure.ts";
import { resourceNames } from "../names.ts";
import type { Instances } from "../orchestrator.ts";
import { type AzureClientOptions, type Endpoints, clientConfig, credentialOf } from "./config.ts";
import { type RetryRule, repeated } from "./retry.ts";

/** Six tries of 10 s; a message that is taken twice starts or wakes nobody twice. */
const rule: RetryRule = { tries: 6, tryMs: 10_000 };

/** How long a message is kept for an app that does not come for it, in seconds: the sweep is faster. */
const keptSeconds = 24 * 3600;

/**
 * Open the way into the function app from outside: the storage queue that triggers one of its functions. The sender needs
 * the role "Storage Queue Data Message Sender" and nothing else: no key, no webhook address, no public endpoint, and the
 * app may be asleep. Nobody answers, so nobody is known to be gone.
 */
export async function openQueue(
  options: AzureClientOptions,
  { queue }: Endpoints,
): Promise<Instances> {
  const client = await queueClient(options, queue);
  return {
    send: async (message: AppMessage) => {
      try {
        await repeated(rule, ({ signal }) =>
          client.sendMessage(JSON.stringify(message), {
            abortSignal: signal,
            messageTimeToLive: keptSeconds,
          }),
        );
        return true;
      } catch (error) {
        const { executionId } = message;
        const what = `Execution ${executionId} could not be ${message.op === "start" ? "started" : "woken"}`;
        throw serviceError(error, { what, missing: resourceNames.queue });
      }
    },
  };
}

async function queueClient(options: AzureClientOptions, url: string): Promise<QueueClient> {
  const { connectionString } = options;
  return connectionString === undefined
    ? new QueueClient(
        `${url}/${resourceNames.queue}`,
        await credentialOf(options),
        clientConfig(url),
      )
    : new QueueClient(connectionString, resourceNames.queue, clientConfig("http://"));
}
