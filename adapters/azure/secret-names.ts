/** Most characters of a name in a vault. */
const longestName = 127;
const escape = /--([0-9a-f]{2})/g;

/**
 * What a secret is called in a vault, where names hold letters, digits and `-` and differ by more than case. Lower-case
 * letters, digits and `-` stand for themselves; every other byte is `--` and two hex digits, and so is a `-` that would
 * be taken for part of one. Undefined for a name that no secret can have.
 */
export function toVaultName(name: string): string | undefined {
  let inVault = "";
  const bytes = Buffer.from(name);
  for (const [at, byte] of bytes.entries()) {
    const char = String.fromCodePoint(byte);
    const next = String.fromCodePoint(bytes[at + 1] ?? 0x61);
    const isPlain =
      char === "-" ? /[a-z0-9]/.test(next) && !inVault.endsWith("-") : /[a-z0-9]/.test(char);
    inVault += isPlain ? char : `--${byte.toString(16).padStart(2, "0")}`;
  }
  return inVault === "" || inVault.length > longestName ? undefined : inVault;
}

/** The name of {@link toVaultName}; a secret that was named by hand keeps its name, in lower case. */
export function fromVaultName(inVault: string): string {
  const lower = inVault.toLowerCase();
  const bytes = lower.replaceAll(escape, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const name = Buffer.from(bytes, "latin1").toString();
  return toVaultName(name) === lower ? name : lower;
}
