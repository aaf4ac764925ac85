/** What `kitaru check` looks for. */
export const rules = {
  syntax: "a file that cannot be parsed",
  clock: "the time of the machine in a flow body",
  random: "chance in a flow body",
  network: "requests in a flow body",
  timer: "timers in a flow body",
  env: "the environment of the process in a flow body",
  file: "files in a flow body",
  process: "processes and threads in a flow body",
  unawaited: "a durable call whose promise is dropped",
  "for-await": "a loop over a source that is not recorded",
  "shared-state": "a flow body that changes what lives outside it",
  "nested-call": "a durable call inside a checkpoint",
  "checkpoint-only": "what only a checkpoint may use, in a flow body",
  "client-call": "executions started or answered in a flow body",
  "local-definition": "a flow, checkpoint or wait defined while a flow or checkpoint runs",
  "duplicate-name": "two definitions with one name",
  "invalid-name": "a name that is not allowed",
  "dynamic-name": "a name that is only known when the program runs",
  "unknown-body": "a flow whose function is not in the checked files",
  ignore: "an ignore comment that cannot be followed",
  "unused-ignore": "an ignore comment that silences nothing",
} as const satisfies Readonly<Record<string, string>>;

export type Rule = keyof typeof rules;

export type Severity = "error" | "warning";

/** Something that was found. */
export interface Finding {
  /** Absolute path. */
  readonly path: string;
  /** Lines and columns count from 1. */
  readonly line: number;
  readonly column: number;
  /** How many characters are meant, on that line. */
  readonly length: number;
  readonly rule: Rule;
  readonly severity: Severity;
  /** What is wrong and what to do. */
  readonly message: string;
  /** Text of the line. */
  readonly source: string;
}

const onlyWarn: ReadonlySet<Rule> = new Set(["dynamic-name", "unknown-body", "unused-ignore"]);

/** How bad a finding of a rule is, unless the finding itself says so. */
export function severityOf(rule: Rule): Severity {
  return onlyWarn.has(rule) ? "warning" : "error";
}

/** Whether a text names a rule. */
export function isRule(name: string): name is Rule {
  return Object.hasOwn(rules, name);
}
