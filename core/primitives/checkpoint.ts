import type { Storable } from "../codec.ts";
import { type Duration, parseDuration } from "../duration.ts";
import {
  type CacheSetting,
  type CheckpointDefinition,
  checkName,
  definingRegistry,
} from "../engine/definitions.ts";
import type { Override } from "../engine/replay/override.ts";
import { type RetryPolicy, neverRetry } from "../engine/retry.ts";
import { flowScope } from "../engine/scope.ts";
import { KitaruUsageError } from "../errors.ts";
import { mapConcurrently } from "./map.ts";
import { checkOptions } from "./options.ts";
import { overridable } from "./replay-target.ts";

/** How often and when a failed attempt is followed by another. */
export interface RetryOptions {
  /** Tries after the first. */
  readonly attempts: number;
  /** Delay before the second try. @default "1s" */
  readonly initialDelay?: Duration;
  /** Each delay is this many times the one before. @default 2 */
  readonly factor?: number;
  /** @default "60s" */
  readonly maxDelay?: Duration;
  /** Draw each delay evenly between 0 and its full length. @default true */
  readonly jitter?: boolean;
  /** Whether an error is worth another try; one about which it throws is not. @default every error is */
  readonly retryIf?: (error: unknown) => boolean;
}

/** Options of {@link checkpoint}. */
export interface CheckpointOptions {
  /** Tries after the first, or a policy. @default 0 */
  readonly retries?: number | RetryOptions;
  /** Longest time of one attempt; then its signal aborts and the attempt has failed with code `timeout`. */
  readonly timeout?: Duration;
  /** `isolated` runs in an invocation of its own (locally: a child process). @default "inline" */
  readonly runtime?: "inline" | "isolated";
  /** Memory an isolated checkpoint needs, in MB; a stack whose functions have sizes picks the smallest that holds it. */
  readonly memoryMb?: number;
  /** Space an isolated checkpoint needs for temporary files, in MB. */
  readonly storageMb?: number;
  /** Free label for people; `llm_call` and `tool_call` are known. */
  readonly type?: string;
  /** Reuse an outcome of the same code and input from another execution. @default false */
  readonly cache?: boolean | { readonly ttl: Duration };
  /** @default "at-least-once" */
  readonly semantics?: "at-least-once" | "at-most-once";
}

/** Options of {@link Checkpoint.map}. */
export interface MapOptions {
  /** Most calls open at a time. @default no limit */
  readonly concurrency?: number;
}

/** A recorded unit of work; call it in a flow body. */
export interface Checkpoint<A extends readonly unknown[], R> extends CheckpointCalls<A, R> {
  (...args: A): Promise<R>;
  readonly name: string;
  /** The plain function, for unit tests. */
  readonly fn: (...args: A) => R | Promise<R>;
  /** Call it for each item. The first failure rejects once what runs has ended; nothing more is started. */
  map(items: Iterable<Item<A>>, options?: MapOptions & { readonly settle?: false }): Promise<R[]>;
  /** Call it for each item and report every outcome. */
  map(
    items: Iterable<Item<A>>,
    options: MapOptions & { readonly settle: true },
  ): Promise<PromiseSettledResult<R>[]>;
  /** One call of this checkpoint in a replay, by its number. */
  at(index: number): CheckpointCalls<A, R>;
}

/** All calls of a checkpoint, or one of them, in a replay. */
export interface CheckpointCalls<A extends readonly unknown[], R> {
  /** Names them in `from` and `skip`. */
  readonly selector: string;
  /** This result in place of the recorded one; the function does not run. */
  as(output: R): Override;
  /** Run with these arguments. */
  withInput(...args: A): Override;
  /** Run the function of another checkpoint, which is recorded by its name. */
  withCode(replacement: Replacement<A, R>): Override;
}

/** A checkpoint whose function can stand in for another's. */
interface Replacement<A extends readonly unknown[], R> {
  readonly name: string;
  readonly fn: (...args: A) => R | Promise<R>;
}

/** What `map` may pass: the first argument, where no other is needed. */
type Item<A extends readonly unknown[]> = [A[0]] extends A ? A[0] : never;

/** A function whose result can be stored. */
type Work<A extends readonly unknown[], R> = (
  ...args: A
) => R & (Awaited<R> extends Storable<Awaited<R>> ? unknown : Storable<Awaited<R>>);

/**
 * Define a recorded unit of work. Its arguments and result must be storable.
 * @param name unique in the program: a letter, then up to 79 letters, digits, `_` or `-`
 */
export function checkpoint<A extends readonly unknown[], R>(
  name: string,
  fn: Work<A, R>,
): Checkpoint<A, Awaited<R>>;
export function checkpoint<A extends readonly unknown[], R>(
  name: string,
  options: CheckpointOptions,
  fn: Work<A, R>,
): Checkpoint<A, Awaited<R>>;
export function checkpoint(
  name: string,
  ...rest: [AnyWork] | [CheckpointOptions, AnyWork]
): Checkpoint<never[], unknown> {
  checkName("checkpoint()", name);
  const [options, fn] = rest.length === 1 ? [{}, rest[0]] : rest;
  if (typeof fn !== "function")
    throw new KitaruUsageError(
      `checkpoint "${name}": the last argument must be the function to run.`,
    );
  const definition = define(name, options, fn);
  definingRegistry().add(definition);

  const where = `checkpoint "${name}"`;
  const call = (...args: readonly unknown[]): Promise<unknown> => {
    try {
      return flowScope(where).ask({ kind: "checkpoint", definition, args });
    } catch (error) {
      return Promise.reject(error); // like every other failure of the call
    }
  };
  const handle = Object.assign(call, {
    fn,
    map: (items: Iterable<unknown>, mapOptions?: MapOptions & { settle?: boolean }) =>
      mapConcurrently(items, (item) => call(item), mapOptions ?? {}),
    ...overridable(`checkpoint.${name}`),
    at: (index: number) => overridable(`${name}:${index}`),
  });
  Object.defineProperty(handle, "name", { value: name });
  return handle as unknown as Checkpoint<never[], unknown>;
}

type AnyWork = (...args: never[]) => unknown;

const optionNames = [
  "retries",
  "timeout",
  "runtime",
  "memoryMb",
  "storageMb",
  "type",
  "cache",
  "semantics",
];
const retryNames = ["attempts", "initialDelay", "factor", "maxDelay", "jitter", "retryIf"];

function define(name: string, options: CheckpointOptions, fn: AnyWork): CheckpointDefinition {
  const where = `checkpoint "${name}"`;
  checkOptions(where, options, optionNames);
  const { timeout, runtime = "inline", type, cache, semantics = "at-least-once" } = options;
  if (runtime !== "inline" && runtime !== "isolated")
    throw new KitaruUsageError(
      `${where}: unknown runtime "${String(runtime)}". Use "inline" or "isolated".`,
    );
  if (semantics !== "at-least-once" && semantics !== "at-most-once")
    throw new KitaruUsageError(
      `${where}: unknown semantics "${String(semantics)}". Use "at-least-once" or "at-most-once".`,
    );
  const retry = retryPolicy(options.retries, where);
  if (semantics === "at-most-once" && retry.attempts > 0)
    throw new KitaruUsageError(
      `${where}: at-most-once and retries exclude each other. Leave out one of them, and retry in the flow where you know that nothing took effect.`,
    );
  return {
    kind: "checkpoint",
    name,
    fn: fn as CheckpointDefinition["fn"],
    retry,
    runtime,
    semantics,
    ...(timeout === undefined
      ? {}
      : { timeoutMs: positiveDuration(timeout, `the timeout of ${where}`) }),
    ...size(options, runtime, where),
    ...(type === undefined ? {} : { type }),
    ...(cache === undefined ? {} : { cache: cacheSetting(cache, where) }),
  };
}

/** What an attempt needs of the machine it runs on: only one that has it to itself can ask for something. */
function size(
  options: CheckpointOptions,
  runtime: "inline" | "isolated",
  where: string,
): Pick<CheckpointDefinition, "memoryMb" | "storageMb"> {
  for (const field of ["memoryMb", "storageMb"] as const) {
    const wanted = options[field];
    if (wanted === undefined) continue;
    if (!Number.isInteger(wanted) || wanted < 1)
      throw new KitaruUsageError(
        `${where}: ${field} must be a whole number of MB from 1, not ${String(wanted)}.`,
      );
    if (runtime === "inline")
      throw new KitaruUsageError(
        `${where}: ${field} needs runtime "isolated"; an inline checkpoint shares the memory and the files of its flow.`,
      );
  }
  const { memoryMb, storageMb } = options;
  return {
    ...(memoryMb === undefined ? {} : { memoryMb }),
    ...(storageMb === undefined ? {} : { storageMb }),
  };
}

/** Turn the option into a policy. */
export function retryPolicy(retries: CheckpointOptions["retries"], where: string): RetryPolicy {
  if (retries === undefined) return neverRetry;
  if (typeof retries === "object" && retries !== null)
    checkOptions(`${where}: retries`, retries, retryNames);
  const options: RetryOptions =
    typeof retries === "object" && retries !== null ? retries : { attempts: retries };
  const {
    attempts,
    initialDelay,
    factor = neverRetry.factor,
    maxDelay,
    jitter = true,
    retryIf,
  } = options;
  if (!Number.isInteger(attempts) || attempts < 0)
    throw new KitaruUsageError(
      `${where}: retries must be a whole number of at least 0, not ${typeof attempts === "string" ? `"${String(attempts)}"` : String(attempts)}.`,
    );
  if (!(factor >= 1) || !Number.isFinite(factor))
    throw new KitaruUsageError(
      `${where}: the retry factor must be at least 1, not ${String(factor)}.`,
    );
  return {
    attempts,
    factor,
    jitter,
    initialDelayMs:
      initialDelay === undefined
        ? neverRetry.initialDelayMs
        : parseDuration(initialDelay, `initialDelay of ${where}`),
    maxDelayMs:
      maxDelay === undefined
        ? neverRetry.maxDelayMs
        : parseDuration(maxDelay, `maxDelay of ${where}`),
    ...(retryIf === undefined ? {} : { retryIf: careful(retryIf) }),
  };
}

/** A predicate that cannot take the attempt's own failure away: where it throws, its answer is no. */
function careful(retryIf: (error: unknown) => boolean): (error: unknown) => boolean {
  return (error) => {
    try {
      return retryIf(error);
    } catch {
      return false;
    }
  };
}

/** Turn the option into a setting. */
export function cacheSetting(
  cache: boolean | { readonly ttl: Duration },
  where: string,
): CacheSetting {
  return typeof cache === "boolean"
    ? { enabled: cache }
    : { enabled: true, ttlMs: parseDuration(cache.ttl, `the cache ttl of ${where}`) };
}

/** Read a duration that must be longer than 0. */
export function positiveDuration(value: Duration, what: string): number {
  const ms = parseDuration(value, what);
  if (ms > 0) return ms;
  throw new KitaruUsageError(`${what} must be longer than 0.`);
}
