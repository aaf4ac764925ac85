import { KitaruStateError } from "../../core/errors.ts";
import type { FlowPlan, Plan } from "../../core/plan/plan.ts";
import type { Orchestrator, StartParams } from "../../core/ports/orchestrator.ts";
import type { Functions } from "./clients/lambda.ts";
import type { Machines } from "./clients/sfn.ts";
import { emitStateMachine } from "./emit.ts";
import { serviceError, isNamed } from "./failure.ts";
import type { StartMode } from "./permissions.ts";
import { machineArn, machineName, ownerName } from "./names.ts";
import type { RuntimeDocument } from "./runtime-document.ts";

interface OrchestratorParams {
  readonly stack: string;
  readonly mode: StartMode;
  readonly machines: () => Promise<Machines>;
  readonly functions: () => Promise<Functions>;
  /** ARN of the runtime's advance function: everything else of it is in the same account and region. */
  readonly advanceArn: () => Promise<string>;
  /** What machines are made of; absent where none are made. */
  readonly document?: () => Promise<RuntimeDocument>;
}

/** Step Functions as a resumable alarm clock: what passes through it is ids. */
export class StepFunctionsOrchestrator implements Orchestrator {
  readonly #params: OrchestratorParams;

  constructor(params: OrchestratorParams) {
    this.#params = params;
  }

  /** One state machine for each flow and bundle, created once and never changed: what runs keeps its own. */
  async publish(plan: Plan): Promise<void> {
    const document = await this.#params.document?.();
    if (document === undefined) throw new TypeError("a function of the runtime publishes nothing");
    for (const flow of plan.flows) await this.#create(plan, flow, document);
  }

  async start(params: StartParams): Promise<void> {
    const { executionId, flow, generation } = params;
    const owner = ownerName(executionId, generation);
    const machine = machineArn(await this.#params.advanceArn(), this.#machineOf(params));
    if (this.#params.mode === "onSuspend" && generation === 1)
      return this.#advanceFirst({ executionId, owner, machine });
    try {
      const machines = await this.#params.machines();
      await machines.start({
        stateMachineArn: machine,
        name: owner,
        input: JSON.stringify({ executionId, owner }),
      });
    } catch (error) {
      // a doubled start: whatever that execution has become, the next generation has another name
      if (isNamed(error, "ExecutionAlreadyExists")) return;
      throw serviceError(error, { what: `Flow "${flow}" could not be started`, missing: machine });
    }
  }

  async wake(token: string): Promise<boolean> {
    try {
      const machines = await this.#params.machines();
      await machines.succeed(token);
      return true;
    } catch (error) {
      if (isNamed(error, "TaskTimedOut", "TaskDoesNotExist", "InvalidToken")) return false;
      throw serviceError(error, { what: "A parked execution could not be woken" });
    }
  }

  /** The machine of an execution ends by itself at its next advance, which the cancelling wakes. */
  async stop(): Promise<void> {}

  async #create(plan: Plan, flow: FlowPlan, document: RuntimeDocument): Promise<void> {
    const { stack } = this.#params;
    const machines = await this.#params.machines();
    const name = machineName(stack, flow.flow, plan.bundle);
    try {
      await machines.create({
        name,
        definition: JSON.stringify(emitStateMachine(plan, flow, document)),
        roleArn: document.role,
        tags: { "kitaru:stack": stack, "kitaru:flow": flow.flow, "kitaru:bundle": plan.bundle },
      });
    } catch (error) {
      // the same name with the same definition is no error: this is another one, of a runtime that was changed since
      if (isNamed(error, "StateMachineAlreadyExists")) return;
      throw serviceError(error, { what: `The state machine ${name} could not be created` });
    }
  }

  #machineOf({ flow, bundle }: StartParams): string {
    if (bundle !== undefined) return machineName(this.#params.stack, flow, bundle);
    throw new KitaruStateError(
      `Flow "${flow}" cannot run from source on the stack "${this.#params.stack}". Deploy it: kitaru deploy --stack ${this.#params.stack}.`,
    );
  }

  async #advanceFirst(payload: {
    readonly executionId: string;
    readonly owner: string;
    readonly machine: string;
  }): Promise<void> {
    const advance = await this.#params.advanceArn();
    try {
      const functions = await this.#params.functions();
      await functions.send(advance, { op: "begin", ...payload });
    } catch (error) {
      throw serviceError(error, {
        what: `Execution ${payload.executionId} could not be begun`,
        missing: advance,
      });
    }
  }
}
