import type { VersionChoice } from "../core/deployments/tags.ts";
import { KitaruUsageError } from "../core/errors.ts";

/** `--version N` and `--tag T`, of which one may be given. */
export interface ChoiceOptions {
  readonly version?: number;
  readonly tag?: string;
}

/** Which version the options mean. Throws a usage error for both at once. */
export function choiceOf({ version, tag }: ChoiceOptions): VersionChoice {
  if (version !== undefined && tag !== undefined)
    throw new KitaruUsageError("--version and --tag exclude each other; give one of them.");
  if (version !== undefined) return { version };
  return tag === undefined ? {} : { tag };
}
