import { AsyncLocalStorage } from "node:async_hooks";

/** Set in code that runs only for what it defines or asks for, however late it comes to run. */
const loading = new AsyncLocalStorage<true>();

/** Whether the caller runs only for what it defines or asks for: `run()` then starts nothing. */
export function isLoadingModules(): boolean {
  return loading.getStore() === true;
}

/** Run code that must start no execution: `run()` in it, or in what it sets going, stays pending. */
export function startingNothing<T>(code: () => T): T {
  return loading.run(true, code);
}

/**
 * Import a module for what it defines. A script that starts a flow when it is imported starts nothing, and is not waited
 * for beyond the definition of `until`.
 */
export async function loadDefinitions(
  importModule: () => Promise<unknown>,
  until: () => boolean,
): Promise<void> {
  const settled = loading.run(true, importModule).then(
    () => "loaded" as const,
    (error: unknown) => ({ error }),
  );
  for (let result: Awaited<typeof settled> | undefined; result === undefined && !until();)
    result = await Promise.race([settled, pause()]);
  if (until()) return;
  const result = await settled;
  if (result !== "loaded") throw result.error;
}

function pause(): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), 2);
  });
}

/** A promise that stays pending: what an inert run resolves to. */
export const never: Promise<never> = new Promise(() => undefined);
