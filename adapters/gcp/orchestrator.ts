import { KitaruStateError } from "../../core/errors.ts";
import type { FlowPlan, Plan } from "../../core/plan/plan.ts";
import type { Orchestrator, StartParams } from "../../core/ports/orchestrator.ts";
import type { Workflows } from "./clients/workflows.ts";
import { emitWorkflow } from "./emit.ts";
import { isNamed, serviceError } from "./failure.ts";
import { locationPath, workflowName, workflowPath } from "./names.ts";
import { workflowInput } from "./request.ts";
import type { RuntimeDocument } from "./runtime-document.ts";
import { functionFor } from "./task-size.ts";
import { readToken, workflowOf } from "./tokens.ts";

interface OrchestratorParams {
  readonly stack: string;
  readonly project: string;
  readonly region: string;
  readonly workflows: () => Promise<Workflows>;
  /** What workflows are made of; absent where none are made. */
  readonly document?: () => Promise<RuntimeDocument>;
}

/**
 * Workflows as a resumable alarm clock: what passes through it is ids. An execution of a workflow has no name one could
 * choose, so nothing keeps a start from being doubled: each is an owner of its own, and the one that comes second ends.
 */
export class WorkflowsOrchestrator implements Orchestrator {
  readonly #params: OrchestratorParams;

  constructor(params: OrchestratorParams) {
    this.#params = params;
  }

  /** One workflow for each flow and bundle, created once and never changed: what runs keeps its own. */
  async publish(plan: Plan): Promise<void> {
    const document = await this.#params.document?.();
    if (document === undefined) throw new TypeError("a function of the runtime publishes nothing");
    await Promise.all(plan.flows.map((flow) => this.#create(plan, flow, document)));
  }

  async start(params: StartParams): Promise<void> {
    const { executionId, flow, generation } = params;
    const workflow = this.#workflowOf(params);
    try {
      const workflows = await this.#params.workflows();
      await workflows.start(workflow, workflowInput({ executionId, generation }));
    } catch (error) {
      throw serviceError(error, {
        what: `Flow "${flow}" could not be started`,
        missing: workflow,
      });
    }
  }

  async wake(token: string, executionId: string): Promise<boolean> {
    const read = readToken(token);
    if (read === undefined || read.kind === "execution") return false;
    try {
      const workflows = await this.#params.workflows();
      if (read.kind === "callback") return (await workflows.wake(read.path)) === "taken";
      // woken twice, it is started twice, which is harmless
      const { execution: after, generation } = read;
      await workflows.start(workflowOf(after), workflowInput({ executionId, generation, after }));
      return true;
    } catch (error) {
      if (read.kind === "detached" && isNamed(error, "NOT_FOUND")) return false;
      throw serviceError(error, { what: "A parked execution could not be woken" });
    }
  }

  /** The workflow of an execution ends by itself at its next advance, which the cancelling wakes. */
  async stop(): Promise<void> {}

  /** An owner and what it awaits are gone once its workflow has ended; what nothing awaits is started by a wake. */
  async isGone(owner: string): Promise<boolean> {
    const read = readToken(owner);
    if (read === undefined || read.kind === "detached") return false;
    try {
      return await (await this.#params.workflows()).isOver(read.execution);
    } catch (error) {
      throw serviceError(error, { what: `The workflow ${read.execution} cannot be looked up` });
    }
  }

  async #create(plan: Plan, flow: FlowPlan, document: RuntimeDocument): Promise<void> {
    const { stack, project, region } = this.#params;
    const workflows = await this.#params.workflows();
    const name = workflowName(stack, flow.flow, plan.bundle);
    try {
      await workflows.create(locationPath(project, region), {
        name,
        description: `kitaru flow ${flow.flow}, bundle ${plan.bundle.slice(0, 12)}`,
        source: emitWorkflow(plan, flow, {
          advance: document.advance,
          task: (task) => functionFor(task, document.tasks).url,
        }),
        account: document.workflowAccount,
        labels: { "kitaru-stack": stack, "kitaru-bundle": plan.bundle.slice(0, 12) },
      });
    } catch (error) {
      // whoever created it did so from the same bundle, and may be at it
      if (isNamed(error, "ALREADY_EXISTS"))
        return workflows.ready(workflowPath(project, region, name));
      throw serviceError(error, { what: `The workflow ${name} could not be created` });
    }
  }

  #workflowOf({ flow, bundle }: StartParams): string {
    const { stack, project, region } = this.#params;
    if (bundle !== undefined)
      return workflowPath(project, region, workflowName(stack, flow, bundle));
    throw new KitaruStateError(
      `Flow "${flow}" cannot run from source on the stack "${stack}". Deploy it: kitaru deploy --stack ${stack}.`,
    );
  }
}
