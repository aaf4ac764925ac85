/** What a step came to, at once where nothing has to be waited for; undefined asks for another. */
export type StepOf<T> = T | undefined | Promise<T | undefined>;

/**
 * Take steps, each a turn of the event loop after the one before: everything that one set in motion has settled by then.
 * Stops with the first that comes to something.
 */
export function inTurns<T>(step: () => StepOf<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = (result: T | undefined): void => {
      if (result === undefined) void soon.then(wait).then(ask);
      else resolve(result);
    };
    const turn = (): void => {
      try {
        const result = step();
        if (result instanceof Promise) result.then(settle, reject);
        else settle(result);
      } catch (error) {
        reject(error);
      }
    };
    const ask = (): void => void setImmediate(turn);
    ask();
  });
}

/**
 * A turn is asked for after code that goes on with what the step gave it has run: where that asks for a turn of its own, it
 * comes first.
 */
const soon = Promise.resolve();
const wait = (): void => undefined;
