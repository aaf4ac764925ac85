import { onDemand as openOnce, explainMissing } from "../../core/ports/on-demand.ts";

/** Packages of the Azure SDK this adapter needs; each is loaded when it is first used. */
export const azurePackages = [
  "@azure/data-tables",
  "@azure/identity",
  "@azure/keyvault-secrets",
  "@azure/storage-blob",
  "@azure/storage-queue",
] as const;

/** Packages the functions of the app are made of, beside those; `kitaru deploy` bundles them. */
export const functionPackages: readonly string[] = [
  ...azurePackages,
  "@azure/functions",
  "durable-functions",
];

/** Open a client once, when it is first needed; a package that is not installed is named with the command that installs it. */
export function onDemand<T>(open: () => Promise<T>): () => Promise<T> {
  return openOnce(() =>
    open().catch((error: unknown) => {
      throw explainMissing(error, missing);
    }),
  );
}

/** The failure to load the functions of the app, as an error with the command when a package of theirs is not installed. */
export function explainMissingFunctions(error: unknown): unknown {
  const needed = "The functions of an Azure app need packages that are not installed";
  return explainMissing(error, `${needed}: npm install ${functionPackages.join(" ")}`);
}

const missing = `A stack of kind "azure" needs the Azure SDK, which is not installed: npm install ${azurePackages.join(" ")}`;
