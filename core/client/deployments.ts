import type { DeployParams } from "../deployments/deploy.ts";
import type { Deployment, DeploymentSummary } from "../deployments/deployment.ts";
import type { InvokeOptions } from "../deployments/invoke.ts";
import type { VersionChoice } from "../deployments/tags.ts";
import type { MovedTag, RemovedTag } from "../deployments/versions.ts";
import { isLoadingModules, never } from "../engine/loading.ts";
import type { Runtime } from "../engine/runtime.ts";
import { type FlowHandle, startInvoke } from "../primitives/handle.ts";
import type { TagOptions } from "./tag-gate.ts";

/** Versions of flows, the tags that name them, and their executions. */
export class Deployments {
  readonly #open: () => Promise<Runtime>;

  constructor(open: () => Promise<Runtime>) {
    this.#open = open;
  }

  /**
   * Versions of one flow or of all, by flow and newest first; those too that were deleted, or whose deployment was
   * interrupted. Throws a state error (`not_found`) when the flow was never deployed.
   */
  async list({ flow }: { readonly flow?: string } = {}): Promise<DeploymentSummary[]> {
    const { listVersions } = await versions();
    return listVersions(await this.#open(), flow);
  }

  /** A version with its manifest; the one tagged `default` unless another is named. */
  async get(flow: string, choice: VersionChoice = {}): Promise<Deployment> {
    const { getVersion } = await versions();
    return getVersion(await this.#open(), flow, choice);
  }

  /**
   * Make a new version of each flow of a module; `tag: false` leaves it without any tag.
   * Throws a usage error for a module that cannot be bundled, or a flow it does not define.
   */
  async deploy(params: DeployParams): Promise<Deployment[]> {
    if (isLoadingModules()) return never; // a module that deploys itself is loaded to be deployed
    const { deploy } = await import("../deployments/deploy.ts");
    return deploy(await this.#open(), params);
  }

  /** Start an execution of a version in the background; of the one tagged `default` unless another is named. */
  invoke<T = unknown>(flow: string, input?: unknown, options: InvokeOptions = {}): FlowHandle<T> {
    return startInvoke<T>(flow, input, options, this.#open);
  }

  /**
   * Let a tag name a version; it moves from whichever had it, in one write. Throws a state error when that version
   * cannot be started, a usage error for a name that is not allowed. With `gate`, a divergence error when
   * the version does not do what executions have recorded of the one that has the tag.
   */
  async tag(flow: string, tag: string, { version, gate }: TagOptions): Promise<MovedTag> {
    const runtime = await this.#open();
    if (gate === undefined || gate === false)
      return (await versions()).tagVersion(runtime, flow, tag, version);
    const { moveGated } = await import("./tag-gate.ts");
    return moveGated(runtime, { flow, tag, version, ...(gate === true ? {} : gate) });
  }

  /** Take a tag away. Throws a usage error for `default`, which can only be moved. */
  async untag(flow: string, tag: string): Promise<RemovedTag> {
    const { untagVersion } = await versions();
    return untagVersion(await this.#open(), flow, tag);
  }

  /**
   * Let a version start no more executions. Throws a state error while it holds a tag, or has executions that have not
   * ended.
   */
  async delete(flow: string, { version }: { readonly version: number }): Promise<void> {
    const { removeVersion } = await versions();
    await removeVersion(await this.#open(), flow, version);
  }
}

/** Most programs never deploy. */
function versions(): Promise<typeof import("../deployments/versions.ts")> {
  return import("../deployments/versions.ts");
}
