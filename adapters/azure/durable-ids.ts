import { createHash } from "node:crypto";

/** Longest id of an instance that every storage provider takes. */
const longestId = 100;

/**
 * Id of the instance that drives a generation of an execution, and the sequential owner of its advances: the same for the
 * same generation, so that a doubled start is one. No instance id may have "/", "\", "#" or "?".
 */
export function instanceId(executionId: string, generation: number): string {
  const end = `:${generation}`;
  const longest = longestId - end.length - pageEnd;
  if (executionId.length <= longest && !executionId.includes("/")) return executionId + end;
  const hash = createHash("sha256").update(executionId).digest("hex").slice(0, 16);
  return `${executionId.replaceAll("/", "-").slice(0, longest - 17)}-${hash}${end}`;
}

/** The generation that an instance drives. */
export function generationOf(instance: string): number {
  return Number(instance.slice(instance.lastIndexOf(":") + 1));
}

/** Characters kept for {@link pageInstanceId}. */
const pageEnd = 24;

/** Id of the instance that runs one page of a turn's isolated attempts. */
export function pageInstanceId(instance: string, turn: number, page: number): string {
  return `${instance}:tasks-${turn}-${page}`;
}

/** Token that wakes an instance in one of its turns; the turn makes a late one inert. */
export function wakeToken(instance: string, turn: number): string {
  return `${instance}#${turn}`;
}

/** Whom a token wakes and with which event; undefined for what is no token, such as an owner. */
export function readToken(
  token: string,
): { readonly instance: string; readonly event: string } | undefined {
  const [instance, turn, ...rest] = token.split("#");
  if (instance === undefined || turn === undefined || rest.length > 0) return undefined;
  return { instance, event: wakeEvent(Number(turn)) };
}

/** Name of the event that ends the park of a turn. */
export function wakeEvent(turn: number): string {
  return `wake:${turn}`;
}
