import { KitaruStateError } from "../../core/errors.ts";
import type { Orchestrator, StartParams } from "../../core/ports/orchestrator.ts";
import type { AppMessage } from "./directive.ts";
import { readToken } from "./durable-ids.ts";

/** Takes what is meant for the app's instances: the app itself, or outside of it the queue it reads. */
export interface Instances {
  /** False when it is known that nobody is there to be woken. */
  send(message: AppMessage): Promise<boolean>;
}

interface OrchestratorParams {
  readonly stack: string;
  readonly instances: () => Promise<Instances>;
  /** Brings the function app up to date; absent inside the app. */
  readonly publish?: () => Promise<unknown>;
}

/**
 * Durable Functions as a resumable alarm clock: what passes through it is ids. Nothing is published for a flow or a version:
 * the one orchestrator function of the app runs the loop of all of them.
 */
export class DurableOrchestrator implements Orchestrator {
  readonly #params: OrchestratorParams;

  constructor(params: OrchestratorParams) {
    this.#params = params;
  }

  async publish(): Promise<void> {
    await this.#params.publish?.();
  }

  async start({ executionId, flow, bundle, generation }: StartParams): Promise<void> {
    const { stack, instances } = this.#params;
    if (bundle === undefined)
      throw new KitaruStateError(
        `Flow "${flow}" cannot run from source on the stack "${stack}". Deploy it: kitaru deploy --stack ${stack}.`,
      );
    await (await instances()).send({ op: "start", executionId, flow, bundle, generation });
  }

  async wake(token: string, executionId: string): Promise<boolean> {
    if (readToken(token) === undefined) return false;
    return (await this.#params.instances()).send({ op: "wake", token, executionId });
  }

  /** The instance of an execution ends by itself at its next advance, which the cancelling wakes. */
  async stop(): Promise<void> {}
}
