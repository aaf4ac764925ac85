/** What a workflow's source is made of. */
export type Yaml =
  | string
  | number
  | boolean
  | null
  | readonly Yaml[]
  | { readonly [key: string]: Yaml };

/**
 * Write a value as YAML, in blocks. Strings that might be read as something else are quoted, as a rule as JSON quotes them,
 * which YAML reads in the same way.
 */
export function toYaml(value: Yaml): string {
  return `${blockOf(value, "").replace(/^\n/, "")}\n`;
}

/** A value after its key or dash: behind a space where it fits on the line, else as a block of its own. */
function blockOf(value: Yaml, indent: string): string {
  if (typeof value !== "object" || value === null) return ` ${scalar(value)}`;
  if (Array.isArray(value)) {
    if (value.length === 0) return " []";
    return value.map((item: Yaml) => `\n${indent}-${itemOf(item, `${indent}  `)}`).join("");
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return " {}";
  return entries
    .map(([key, item]) => `\n${indent}${scalar(key)}:${blockOf(item, `${indent}  `)}`)
    .join("");
}

/** The first line of an item follows its dash. */
function itemOf(item: Yaml, indent: string): string {
  const block = blockOf(item, indent);
  return block.startsWith("\n") ? ` ${block.slice(1 + indent.length)}` : block;
}

function scalar(value: string | number | boolean | null): string {
  if (typeof value !== "string") return JSON.stringify(value);
  if (isPlain(value)) return value;
  // in single quotes nothing has a meaning but the quote itself
  if (/^[ -~]*"[ -~]*$/.test(value)) return `'${value.replaceAll("'", "''")}'`;
  return JSON.stringify(value);
}

/** Words that stand for themselves in every version of YAML, and expressions without a character that has a meaning. */
function isPlain(text: string): boolean {
  if (/^(?:true|false|yes|no|on|off|y|n|null)$/i.test(text)) return false;
  return /^[A-Za-z_][\w./-]*$/.test(text) || /^\$\{[\w .()[\]+*<>=!/-]+\}$/.test(text);
}
