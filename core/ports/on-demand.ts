import { KitaruUsageError } from "../errors.ts";

/** Open something once, when it is first needed; what failed is tried again the next time. */
export function onDemand<T>(open: () => Promise<T>): () => Promise<T> {
  let opening: Promise<T> | undefined;
  return () => {
    opening ??= open().catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
}

/** The failure to load a package, as an error with this text; any other error as it is. */
export function explainMissing(error: unknown, text: string): unknown {
  const isMissing =
    error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
  return isMissing ? new KitaruUsageError(text, { cause: error }) : error;
}
