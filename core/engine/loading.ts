/** Counts modules being loaded only for what they define. */
let loading = 0;

/** Whether modules are being loaded only for their definitions: `run()` then starts nothing. */
export function isLoadingModules(): boolean {
  return loading > 0;
}

/**
 * Import a module for what it defines. A script that starts a flow when it is imported starts nothing, and is not waited
 * for beyond the definition of `until`.
 */
export async function loadDefinitions(
  importModule: () => Promise<unknown>,
  until: () => boolean,
): Promise<void> {
  loading++;
  try {
    const imported = importModule();
    const settled = imported.then(
      () => "loaded" as const,
      (error: unknown) => ({ error }),
    );
    for (let result: Awaited<typeof settled> | undefined; result === undefined && !until();)
      result = await Promise.race([settled, pause()]);
    if (until()) return;
    const result = await settled;
    if (result !== "loaded") throw result.error;
  } finally {
    loading--;
  }
}

function pause(): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), 2);
  });
}

/** A promise that stays pending: what an inert run resolves to. */
export const never: Promise<never> = new Promise(() => undefined);
