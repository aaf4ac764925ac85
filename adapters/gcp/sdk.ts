import { KitaruUsageError } from "../../core/errors.ts";

/** Packages of Google's this adapter needs: the one that finds credentials, loaded when a request first needs them. */
export const gcpPackages = ["google-auth-library"] as const;

/** Open a client once, when it is first needed. */
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

type AuthLibrary = typeof import("google-auth-library");

/** Google's library that finds credentials and checks tokens; where it is not installed, the error names the command. */
export async function authLibrary(): Promise<AuthLibrary> {
  try {
    const loaded: AuthLibrary & { readonly default?: AuthLibrary } =
      await import("google-auth-library");
    return loaded.default ?? loaded; // bundled, it has nothing but a default
  } catch (error) {
    throw isMissing(error) ? missingPackages(error) : error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
}

function missingPackages(cause: unknown): KitaruUsageError {
  return new KitaruUsageError(
    `A stack of kind "gcp" needs a package that is not installed: npm install ${gcpPackages.join(" ")}`,
    { cause },
  );
}
