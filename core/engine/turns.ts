import { AsyncResource, executionAsyncId } from "node:async_hooks";

/** What a step came to, at once where nothing has to be waited for; undefined asks for another. */
export type StepOf<T> = T | undefined | Promise<T | undefined>;

/**
 * Take steps, each a turn of the event loop after the one before: everything that one set in motion has settled by then, and
 * where that asked for a turn of its own, however many promises later, it comes first. Stops with the first step that comes
 * to something.
 */
export function inTurns<T>(step: () => StepOf<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = (result: T | undefined): void => {
      if (result === undefined) setImmediate(turn);
      else resolve(result);
    };
    /** By now promises and ticks have settled: what they asked for is before what is asked for now. */
    const turn = (): void => {
      if (isLastCreated()) take();
      else setImmediate(take);
    };
    const take = (): void => {
      try {
        const result = step();
        if (result instanceof Promise) result.then(settle, reject);
        else settle(result);
      } catch (error) {
        reject(error);
      }
    };
    setImmediate(turn);
  });
}

/**
 * Whether nothing was created in this process after what runs now was asked for. Whatever can call back in a turn, be it an
 * immediate, a timer or a request, takes one number of one sequence, and so does a resource that is created to learn it.
 * Promises do not, or, where something watches them, a turn more is taken.
 */
function isLastCreated(): boolean {
  return new AsyncResource("kitaru", 0).asyncId() === executionAsyncId() + 1;
}
