import { QueueClient } from "@azure/storage-queue";
import type { TaskHub } from "./hub.ts";
import type { Binding, Workers } from "./workers.ts";

/** Times a message is tried before it is set aside, as the host has it by default. */
const mostTries = 5;
const pollMs = 50;

/** Calls the functions whose trigger is a storage queue, with messages as they are: `messageEncoding` is `none`. */
export class Queues {
  readonly #hub: TaskHub;
  readonly #workers: Workers;
  #isClosed = false;

  constructor(hub: TaskHub, workers: Workers) {
    this.#hub = hub;
    this.#workers = workers;
  }

  start(): void {
    for (const { name, bindings } of this.#workers.functions.values())
      for (const binding of Object.values(bindings))
        if (binding.type === "queueTrigger") void this.#poll(name, binding);
  }

  close(): void {
    this.#isClosed = true;
  }

  async #poll(name: string, { queueName, connection }: Binding): Promise<void> {
    const setting = process.env[String(connection)] ?? "";
    const queue = new QueueClient(setting, String(queueName));
    const poison = new QueueClient(setting, `${String(queueName)}-poison`);
    while (!this.#isClosed) {
      const { receivedMessageItems: messages } = await queue
        .receiveMessages({ numberOfMessages: 32, visibilityTimeout: 2 })
        .catch(() => ({ receivedMessageItems: [] }));
      await Promise.all(
        messages.map(async ({ messageId, popReceipt, messageText, dequeueCount }) => {
          try {
            if (Math.random() < (this.#hub.faults.lostMessages ?? 0))
              this.#hub.counts.lostMessages += 1;
            else await this.#workers.call(name, this.#hub.request(name, messageText));
          } catch {
            if (dequeueCount < mostTries) return;
            await poison.sendMessage(messageText);
          }
          await queue.deleteMessage(messageId, popReceipt).catch(() => undefined);
        }),
      );
      if (messages.length === 0) await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }
}
