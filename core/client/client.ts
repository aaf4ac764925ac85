import type { Runtime } from "../engine/runtime.ts";
import { activeRuntime } from "../stacks.ts";
import { Artifacts } from "./artifacts.ts";
import { Deployments } from "./deployments.ts";
import { Executions } from "./executions.ts";

/** Options of {@link KitaruClient}. */
export interface ClientOptions {
  /** Name of a configured stack. @default the stack flows run on */
  readonly stack?: string;
}

/** Looks at executions and talks to them, and keeps deployments, from any process that reaches their stack. */
export class KitaruClient {
  readonly executions: Executions;
  readonly artifacts: Artifacts;
  readonly deployments: Deployments;

  constructor({ stack }: ClientOptions = {}) {
    const runtime = (): Promise<Runtime> => activeRuntime(stack === undefined ? {} : { stack });
    this.executions = new Executions(runtime);
    this.artifacts = new Artifacts(runtime);
    this.deployments = new Deployments(runtime);
  }
}
