import type { Runtime } from "../engine/runtime.ts";
import { activeRuntime } from "../stacks.ts";
import { Artifacts } from "./artifacts.ts";
import { Executions } from "./executions.ts";

/** Options of {@link KitaruClient}. */
export interface ClientOptions {
  /** Name of a stack. @default the active one */
  readonly stack?: string;
}

/** Looks at, and speaks to, the executions of a stack. */
export class KitaruClient {
  readonly executions: Executions;
  readonly artifacts: Artifacts;

  constructor(options: ClientOptions = {}) {
    const open = (): Promise<Runtime> => activeRuntime(options);
    this.executions = new Executions(open);
    this.artifacts = new Artifacts(open);
  }
}
