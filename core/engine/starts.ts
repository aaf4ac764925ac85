const underWay = new Map<string, Promise<unknown>>();

/** Remember a start of this process until it is durable, or has failed. */
export function noteStart(executionId: string, started: Promise<unknown>): void {
  underWay.set(executionId, started);
  const forget = (): void => {
    if (underWay.get(executionId) === started) underWay.delete(executionId);
  };
  started.then(forget, forget);
}

/**
 * Resolve once no start of this execution is under way in this process: whoever has its id from `run()` may use it at
 * once. Whether the start has succeeded is what the store then says.
 */
export async function settledStart(executionId: string): Promise<void> {
  await underWay.get(executionId)?.catch(() => undefined);
}
