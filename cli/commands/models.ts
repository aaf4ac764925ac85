import { findPackageJSON } from "node:module";
import type { Command } from "commander";
import { isKitaruError } from "../../core/errors.ts";
import { resolveCredentials } from "../../core/models/credentials.ts";
import type { Provider } from "../../core/models/providers.ts";
import { resolveModel } from "../../core/models/registry.ts";
import type { Runtime } from "../../core/engine/runtime.ts";
import { type Console, openStack } from "../console.ts";
import { stackOption } from "../options.ts";
import { table } from "../text.ts";

/** What is known of one alias without asking its provider. */
export interface ModelCheck {
  readonly alias: string;
  readonly model: string;
  readonly isDefault: boolean;
  /** Where credentials were found; never what they are. */
  readonly credentials: "environment" | "secret" | "none" | "missing";
  /** What is missing, and how to put it there. */
  readonly problem?: string;
}

/** Add `kitaru models …`. */
export function addModels(program: Command, say: () => Console): void {
  const group = program.command("models").description("models that flows can ask");
  group
    .command("list")
    .description("configured aliases, and whether credentials are there")
    .addOption(stackOption())
    .action((options: { readonly stack?: string }) => list(say(), options));
}

async function list(say: Console, { stack }: { readonly stack?: string }): Promise<void> {
  const { runtime } = await openStack(stack);
  const items = await checkModels(runtime, say.io.env);
  const rows = items.map(({ alias, model, isDefault, credentials }) => [
    isDefault ? say.style.green("*") : "",
    alias,
    model,
    credentials === "missing" ? say.style.red(credentials) : credentials,
  ]);
  say.items(
    items,
    rows.length === 0
      ? [
          "No aliases. Add some under `models` in kitaru.config.ts, or name a model in the call: provider/model.",
        ]
      : table(["", "ALIAS", "MODEL", "CREDENTIALS"].map(say.style.dim), rows),
  );
  for (const { alias, problem } of items)
    if (problem !== undefined) say.note(`${alias}: ${problem}`);
}

/** Look for the credentials of every alias. */
export async function checkModels(
  { context, backend }: Runtime,
  env: Console["io"]["env"],
): Promise<ModelCheck[]> {
  const { aliases, defaultAlias } = context.models;
  return Promise.all(
    Object.entries(aliases).map(async ([alias, { model }]): Promise<ModelCheck> => {
      const facts = { alias, model, isDefault: alias === defaultAlias };
      try {
        const resolved = resolveModel(alias, context.models);
        const { source } = await resolveCredentials(resolved, env, backend.secrets);
        const missing = missingPackages(resolved.provider);
        const problem = `Asking ${model} needs packages that are not installed: npm install ${missing.join(" ")}`;
        return { ...facts, credentials: source, ...(missing.length === 0 ? {} : { problem }) };
      } catch (error) {
        if (!isKitaruError(error)) throw error;
        return { ...facts, credentials: "missing", problem: error.message };
      }
    }),
  );
}

/** Packages that asking a provider needs and that cannot be found from here. */
export function missingPackages({ package: own }: Pick<Provider, "package">): string[] {
  return own === undefined ? [] : ["ai", own].filter((name) => !isInstalled(name));
}

function isInstalled(name: string): boolean {
  try {
    return findPackageJSON(name, import.meta.url) !== undefined;
  } catch {
    return false;
  }
}
