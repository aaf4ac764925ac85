import { checkpointScope, currentScope } from "../engine/scope.ts";
import { KitaruContextError, KitaruUsageError } from "../errors.ts";
import { copied } from "./copied.ts";

/** Kinds of artifact. */
export type ArtifactType = "prompt" | "response" | "context" | "input" | "output" | "blob";

/** Every {@link ArtifactType}. */
export const artifactTypes: readonly string[] = [
  "prompt",
  "response",
  "context",
  "input",
  "output",
  "blob",
];

/**
 * Keep a named value with the running checkpoint. It is stored together with the checkpoint's outcome, and only if
 * the attempt succeeds. Throws a context error outside a checkpoint.
 */
export function save(
  name: string,
  value: unknown,
  options?: { readonly type?: ArtifactType },
): void {
  const scope = checkpointScope("save()");
  const type = options?.type ?? "output";
  if (typeof name !== "string" || name.trim() === "")
    throw new KitaruUsageError("save(): the name must be a text that is not empty.");
  if (!artifactTypes.includes(type))
    throw new KitaruUsageError(
      `save(): unknown artifact type "${type}". Use one of: ${artifactTypes.join(", ")}.`,
    );
  scope.save({ name, type, value: copied(value) });
}

/**
 * Read an artifact, or the result of a checkpoint, of any execution on this stack by name.
 * Throws a state error when there is none, or several.
 */
export async function load(executionId: string, name: string): Promise<unknown> {
  return checkpointScope("load()").load(executionId, name);
}

/** Attach fields to the running checkpoint, or to the execution when called in a flow body. */
export function log(fields: Readonly<Record<string, unknown>>): void {
  const scope = currentScope();
  if (scope === undefined)
    throw new KitaruContextError(
      "log() was called outside a flow. Call it in the body of a flow or inside a checkpoint.",
    );
  scope.log(copied(fields) as typeof fields);
}
