import { load } from "../../core/engine/session.ts";
import type { Execution } from "../../core/client/execution.ts";
import { executionPartition } from "../../core/journal/journal.ts";
import { MemoryStack, type MemoryStackOptions } from "../../testing/test-stack.ts";

/** A stack that notes which calls' code it starts. */
export class ReplayStack extends MemoryStack {
  /** `execution id call id` of every attempt, in order. */
  readonly started: string[];

  constructor(options: MemoryStackOptions = {}) {
    const started: string[] = [];
    super({
      ...options,
      observer: {
        started: ({ executionId, callId }) => started.push(`${executionId} ${callId}`),
      },
    });
    this.started = started;
  }

  /** Calls whose code an execution ran, in order. */
  ran(executionId: string): string[] {
    const prefix = `${executionId} `;
    return this.started
      .filter((one) => one.startsWith(prefix))
      .map((one) => one.slice(prefix.length));
  }

  /** How every settled call of an execution was settled; an open one is `waiting` or `running`. */
  async dispositions(executionId: string): Promise<Record<string, string>> {
    const { calls } = await this.client.executions.get(executionId);
    return Object.fromEntries(calls.map((call) => [call.id, dispositionOf(call)]));
  }

  /** Every document of an execution as it is stored. */
  async documents(executionId: string): Promise<readonly string[]> {
    const documents: string[] = [];
    const partition = executionPartition(executionId);
    const { records } = this.view.backend;
    for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
      const page = await records.list({ partition, ...(cursor === undefined ? {} : { cursor }) });
      documents.push(...page.items.map(({ sort, version, body }) => `${sort} ${version} ${body}`));
      cursor = page.cursor;
    }
    return documents;
  }

  /** Names of waits an execution asks now. */
  async asks(executionId: string): Promise<string[]> {
    return (await this.waiting(executionId)).map((asked) => asked.callId);
  }

  async journalState(executionId: string) {
    return (await load(this.view, executionId)).journal.state;
  }
}

/** Open a {@link ReplayStack} and bind this program to it. */
export async function replayStack(options: MemoryStackOptions = {}): Promise<ReplayStack> {
  const stack = new ReplayStack(options);
  await stack.open();
  return stack;
}

function dispositionOf({ status, disposition }: Execution["calls"][number]): string {
  return status === "completed" || status === "failed" ? disposition : status;
}
