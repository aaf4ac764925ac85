import { explainMissing } from "../../core/ports/on-demand.ts";

/** Packages of Google's this adapter needs: the one that finds credentials, loaded when a request first needs them. */
export const gcpPackages = ["google-auth-library"] as const;

type AuthLibrary = typeof import("google-auth-library");

/** Google's library that finds credentials and checks tokens; where it is not installed, the error names the command. */
export async function authLibrary(): Promise<AuthLibrary> {
  try {
    const loaded: AuthLibrary & { readonly default?: AuthLibrary } =
      await import("google-auth-library");
    return loaded.default ?? loaded; // bundled, it has nothing but a default
  } catch (error) {
    throw explainMissing(error, missing);
  }
}

const missing = `A stack of kind "gcp" needs a package that is not installed: npm install ${gcpPackages.join(" ")}`;
