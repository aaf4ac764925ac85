import type { Runtime } from "../engine/runtime.ts";
import { activeRuntime } from "../stacks.ts";
import type { Artifacts } from "./artifacts.ts";
import { Deployments } from "./deployments.ts";
import type { Executions } from "./executions.ts";
import { type Methods, onDemand } from "./on-demand.ts";

/** Options of {@link KitaruClient}. */
export interface ClientOptions {
  /** Name of a configured stack. @default the stack flows run on */
  readonly stack?: string;
}

const executions: Methods<Executions> = {
  get: true,
  graph: true,
  diff: true,
  list: true,
  latest: true,
  pendingWaits: true,
  input: true,
  abortWait: true,
  cancel: true,
  retry: true,
  resume: true,
  untilRest: true,
  replay: true,
  replayCheck: true,
  export: true,
  import: true,
  handle: true,
  value: true,
  logs: true,
};
const artifacts: Methods<Artifacts> = { list: true, get: true, find: true };

/** Looks at executions and talks to them, and keeps deployments, from any process that reaches their stack. */
export class KitaruClient {
  readonly executions: Executions;
  readonly artifacts: Artifacts;
  readonly deployments: Deployments;

  constructor({ stack }: ClientOptions = {}) {
    const runtime = (): Promise<Runtime> => activeRuntime(stack === undefined ? {} : { stack });
    this.executions = onDemand<Executions>(executions, async () => {
      const module = await import("./executions.ts");
      return new module.Executions(runtime);
    });
    this.artifacts = onDemand<Artifacts>(artifacts, async () => {
      const module = await import("./artifacts.ts");
      return new module.Artifacts(runtime);
    });
    this.deployments = new Deployments(runtime);
  }
}
