import { currentScope } from "../engine/scope.ts";
import { KitaruUsageError } from "../errors.ts";
import { checkOptions } from "./options.ts";

interface Options {
  readonly concurrency?: number;
  readonly settle?: boolean;
}

/**
 * Call `fn` for each item with at most `concurrency` calls open. Without `settle` the first failure
 * stops new calls and rejects once those that run have ended. So does, with `settle` too, the end of the flow by a cancel or
 * its timeout; what was not begun by then counts as rejected by that.
 */
export async function mapConcurrently<T, R>(
  items: Iterable<T>,
  fn: (item: T) => Promise<R>,
  options: Options,
): Promise<R[] | PromiseSettledResult<R>[]> {
  checkOptions("map()", options, ["concurrency", "settle"]);
  const { concurrency = Infinity, settle = false } = options;
  if (concurrency !== Infinity && !(Number.isInteger(concurrency) && concurrency >= 1))
    throw new KitaruUsageError(
      `map(): concurrency must be a whole number of at least 1, not ${String(concurrency)}.`,
    );
  const queue = [...items];
  const results: PromiseSettledResult<R>[] = [];
  let failure: { readonly reason: unknown } | undefined;
  let next = 0;
  const cutSince = cutWatch();
  const worker = async (): Promise<void> => {
    for (
      let isStopped = false;
      next < queue.length && !isStopped;
      isStopped = (!settle && failure !== undefined) || cutSince() !== undefined
    ) {
      const index = next++;
      try {
        results[index] = { status: "fulfilled", value: await fn(queue[index] as T) };
      } catch (reason) {
        failure ??= { reason };
        results[index] = { status: "rejected", reason };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, queue.length) }, worker));
  const reason = cutSince();
  if (reason !== undefined)
    while (next < queue.length) results[next++] = { status: "rejected", reason };
  if (settle) return results;
  if (failure !== undefined) throw asOne(failure.reason, results);
  return results.map((result) => (result as PromiseFulfilledResult<R>).value);
}

/** Whether the flow has been cancelled or has timed out from now on: what tidies up after that is not stopped by it. */
function cutWatch(): () => Error | undefined {
  const scope = currentScope();
  if (scope?.kind !== "flow" || scope.cut !== undefined) return () => undefined;
  return () => scope.cut;
}

/** The first failure, which a retry of the execution takes for all of them. */
function asOne(thrown: unknown, results: readonly PromiseSettledResult<unknown>[]): unknown {
  const scope = currentScope();
  const failures = results.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  if (scope?.kind === "flow") scope.failTogether(thrown, failures);
  return thrown;
}
