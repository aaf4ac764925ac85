import { KitaruCancelledError } from "../../errors.ts";
import { inboxKey, readInbox } from "../../journal/inbox.ts";
import type { EngineContext } from "../context.ts";

/** How often a running task looks into the inbox of its execution. */
const watchMs = 3000;

/**
 * Do work outside an advance with a signal that aborts when the execution is to be cancelled, or when `outer` does:
 * while its tasks run no advance is there to hear of it.
 */
export async function cancellable<T>(
  context: EngineContext,
  executionId: string,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const signals = outer === undefined ? [] : [outer];
  const stop = watch(context, executionId, controller);
  try {
    return await work(AbortSignal.any([controller.signal, ...signals]));
  } finally {
    stop();
  }
}

function watch(
  context: EngineContext,
  executionId: string,
  controller: AbortController,
): () => void {
  const { clock, backend } = context;
  let isStopped = false;
  let cancelTimer = (): void => undefined;
  const isCancelled = async (): Promise<boolean> => {
    const inbox = await backend.records.get(inboxKey(executionId));
    return readInbox(inbox).items.some((item) => item.kind === "cancel");
  };
  const look = async (): Promise<void> => {
    const found = await isCancelled().catch(() => false); // the next look may succeed
    if (isStopped) return;
    if (found)
      controller.abort(new KitaruCancelledError(`Execution ${executionId} was cancelled.`));
    else arm();
  };
  const arm = (): void => {
    cancelTimer = clock.schedule(watchMs, () => void look(), { unref: true });
  };
  arm();
  return () => {
    isStopped = true;
    cancelTimer();
  };
}
