import { randomUuid } from "../engine/prng.ts";
import { currentScope } from "../engine/scope.ts";

/**
 * The time, the same on every re-run: in a flow body the recorded time of the last delivery, elsewhere the clock's.
 * @returns epoch milliseconds
 */
export function now(): number {
  const scope = currentScope();
  return scope?.kind === "flow" ? scope.now() : Date.now();
}

/** A number in [0, 1), the same on every re-run of a flow body; elsewhere `Math.random()`. */
export function random(): number {
  const scope = currentScope();
  return scope?.kind === "flow" ? scope.random() : Math.random();
}

/** A version 4 UUID, the same on every re-run of a flow body. */
export function uuid(): string {
  const scope = currentScope();
  return scope?.kind === "flow" ? randomUuid(() => scope.random()) : crypto.randomUUID();
}
