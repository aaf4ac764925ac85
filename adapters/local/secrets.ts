import { basename, dirname, resolve } from "node:path";

import type { SecretStore } from "../../core/ports/secrets.ts";
import { storageError, systemCode } from "./storage-error.ts";

/** Options of {@link openSecrets}. */
export interface SecretsOptions {
  /** Looked at first; `process.env` when left out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Path of a `.env` file. It may be missing, and is read anew each time. */
  readonly file: string;
}

/**
 * Find secrets in the environment, then in a `.env` file: `anthropic` as `anthropic`, then as `ANTHROPIC`.
 * An empty value counts as missing, because that is how templates of such files leave what is to be filled in.
 */
export function openSecrets(options: SecretsOptions): SecretStore {
  const file = resolve(options.file);
  return {
    location: `the ${basename(file)} file in ${dirname(file)}`,
    async get(name) {
      return lookUp(options.env ?? process.env, name) ?? lookUp(await readEnvFile(file), name);
    },
    async list() {
      const values = await readEnvFile(file);
      return Object.keys(values)
        .filter((name) => values[name] !== "")
        .toSorted();
    },
  };
}

type Values = Readonly<Record<string, string | undefined>>;

function lookUp(values: Values, name: string): string | undefined {
  const found = [name, upperSnake(name)].find(
    (key) => Object.hasOwn(values, key) && values[key] !== "",
  );
  return found === undefined ? undefined : values[found];
}

/** `openaiKey` and `openai-key` → `OPENAI_KEY`. */
function upperSnake(name: string): string {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replaceAll(/[^A-Za-z0-9]+/g, "_")
    .toUpperCase();
}

async function readEnvFile(file: string): Promise<Values> {
  // slow to load, and many flows have no secrets
  const [{ parseEnv }, { readFile }] = await Promise.all([
    import("node:util"),
    import("node:fs/promises"),
  ]);
  try {
    return parseEnv(await readFile(file, "utf8"));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return {};
    throw storageError({ verb: "read", path: file }, error);
  }
}
