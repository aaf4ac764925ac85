import { bundleSource } from "./deployments/bundle-source.ts";
import { Runtime } from "./engine/runtime.ts";
import { defineModels } from "./models/registry.ts";
import type { Backend } from "./ports/backend.ts";
import type { ModelRegistry } from "./ports/model.ts";

/** Loaded with the engine, by the first stack that is opened: a program that defines flows need not run any. */
export { defineModels };

/** Bind the engine to the backend of a stack. */
export function openRuntime(stack: string, backend: Backend, models: ModelRegistry): Runtime {
  return new Runtime({ stack, backend, models, bundles: bundleSource(backend.blobs) });
}
