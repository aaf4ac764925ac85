import fc from "fast-check";
import { expect, test } from "vitest";
import { fromVaultName, toVaultName } from "./secret-names.ts";

test("names a vault takes stay as they are", () => {
  expect(toVaultName("openai-key-2")).toBe("openai-key-2");
  expect(toVaultName("my_key")).toBe("my--5fkey");
  expect(toVaultName("A-")).toBe("--41-");
  expect(toVaultName("a-B")).toBe("a--2d--42");
});

test("every name is told from every other, and read back", () => {
  const name = fc.string({ unit: fc.oneof(fc.constantFrom("-", "a", "A", "4", "_"), fc.string()) });
  fc.assert(
    fc.property(name, (one) => {
      const inVault = toVaultName(one);
      if (inVault === undefined) return;
      expect(inVault).toMatch(/^[a-z0-9-]{1,127}$/);
      expect(fromVaultName(inVault)).toBe(Buffer.from(one).toString());
      expect(fromVaultName(inVault.toUpperCase())).toBe(Buffer.from(one).toString());
    }),
  );
});

test("no secret has no name, or one that is too long", () => {
  expect(toVaultName("")).toBeUndefined();
  expect(toVaultName("a".repeat(128))).toBeUndefined();
});

test("a secret that was named by hand can be read under its name in lower case", () => {
  expect(fromVaultName("OpenAI---Key")).toBe("openai---key");
});
