import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { expect } from "vitest";

import type { SecretStore } from "../../core/ports/secrets.ts";
import { describePort } from "./suite.ts";
import type { Clauses, Closable, Skips } from "./suite.ts";

/** An implementation of the secret store to hold against its contract. */
export interface SecretsSubject {
  /** Called once, with secrets to put where the store will find them. */
  readonly open: (
    values: Readonly<Record<string, string>>,
  ) => Closable<SecretStore> | Promise<Closable<SecretStore>>;
  /** Clauses it cannot keep, by title, each with its reason. */
  readonly skip?: Skips;
}

/** Define the tests every {@link SecretStore} has to pass. */
export function describeSecrets(name: string, subject: SecretsSubject): void {
  const values = freshValues();
  describePort({
    name,
    open: () => subject.open(values),
    clauses: clausesFor(values),
    skip: subject.skip,
  });
}

/** Letters and digits only: the one form of name every secret manager takes. */
function freshValues(): Readonly<Record<string, string>> {
  const name = `conformance${randomBytes(6).toString("hex")}`;
  const key = (): string => `sk-${randomBytes(16).toString("hex")}`;
  return { [`${name}a`]: key(), [`${name}b`]: JSON.stringify({ AWS_REGION: "eu", TOKEN: key() }) };
}

function clausesFor(values: Readonly<Record<string, string>>): Clauses<SecretStore> {
  return {
    "get finds each secret, as it is": async (store) => {
      for (const [name, value] of Object.entries(values)) {
        expect((await store.get(name)) === value).toBe(true);
      }
    },

    "get of a missing secret is undefined": async (store) => {
      expect(await store.get("conformanceMissing")).toBeUndefined();
    },

    "names of JavaScript's own properties are missing like others": async (store) => {
      for (const name of ["constructor", "toString", "__proto__"]) {
        expect(await store.get(name)).toBeUndefined();
      }
    },

    "what list names can be read, and is as much as there is": async (store) => {
      const names = await store.list();
      expect(new Set(names).size).toBe(names.length);
      expect(names.length).toBeGreaterThanOrEqual(Object.keys(values).length);
      const ours = names.filter((name) => name.toLowerCase().startsWith("conformance"));
      for (const name of ours) expect(await store.get(name)).toBeDefined();
    },

    "location says where to put a missing secret": async (store) => {
      expect(store.location).toMatch(/\S/);
    },

    "no value shows in names, in the location, or when the store is printed": async (store) => {
      const shown = [await store.list(), store.location, store].map((value) =>
        inspect(value, { depth: Infinity, showHidden: true }),
      );
      for (const value of Object.values(values))
        expect(shown.join("\n").includes(value)).toBe(false);
    },
  };
}
