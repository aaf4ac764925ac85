import { KitaruStateError } from "../errors.ts";
import type { HeadFacts } from "../journal/head.ts";
import type { MaybePromise } from "../schema.ts";
import { type EngineContext, localVersion } from "./context.ts";
import type { Registry } from "./definitions.ts";

/** What an execution's code is found by. */
export type Pin = Pick<HeadFacts, "version" | "bundle">;

/**
 * The context an execution runs in: with the definitions of its bundle, or with the program's own for a flow that runs
 * from source. At once when the code is at hand. Throws what keeps a bundle from being loaded.
 */
export function contextOf(context: EngineContext, pin: Pin): MaybePromise<EngineContext> {
  if (pin.bundle === undefined) return bound(context, context.program, localVersion);
  const known = context.bundles?.loaded(pin.bundle);
  return known === undefined
    ? loadContext(context, pin.bundle, pin.version)
    : bound(context, known, pin.version);
}

/** The definitions an execution runs on, if this process has them already. */
export function definitionsAtHand(context: EngineContext, { bundle }: Pin): Registry | undefined {
  return bundle === undefined ? context.program : context.bundles?.loaded(bundle);
}

async function loadContext(
  context: EngineContext,
  bundle: string,
  version: string,
): Promise<EngineContext> {
  if (context.bundles === undefined)
    throw new KitaruStateError("This process cannot run deployed versions.");
  return bound(context, await context.bundles.load(bundle), version);
}

function bound(context: EngineContext, registry: Registry, version: string): EngineContext {
  if (context.registry === registry && context.version === version) return context;
  return { ...context, registry, version, models: registry.models ?? context.programModels };
}
