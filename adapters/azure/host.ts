import { advanceMs } from "./capabilities.ts";

/** Time an invocation has beyond that of an advance, for writing down and replying, in milliseconds. */
const marginMs = 2 * 60_000;

/** How the host of the functions runs them: the app's `host.json`. */
export const hostSettings: object = {
  version: "2.0",
  functionTimeout: timeSpan(advanceMs + marginMs),
  extensionBundle: {
    id: "Microsoft.Azure.Functions.ExtensionBundle",
    version: "[4.*, 5.0.0)",
  },
  extensions: {
    durableTask: {
      hubName: "kitaru",
      // what an orchestration is given and gives are ids, and even those are traced only by name
      tracing: { traceInputsAndOutputs: false, traceReplayEvents: false },
      storageProvider: {
        // the account's queues and tables: no key, nothing to pay for while nothing happens
        type: "AzureStorage",
        partitionCount: 4,
        // an execution that is woken goes on within seconds even when nothing has happened for long
        maxQueuePollingInterval: timeSpan(5000),
      },
    },
    queues: {
      // messages are plain JSON
      messageEncoding: "none",
      maxPollingInterval: timeSpan(2000),
      maxDequeueCount: 5,
      // a message that could not be acted on is tried again after a pause
      visibilityTimeout: timeSpan(10_000),
    },
  },
  logging: {
    applicationInsights: {
      samplingSettings: { isEnabled: true, excludedTypes: "Exception" },
    },
  },
};

/** A duration as the host writes it: `00:10:00`. */
function timeSpan(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}
