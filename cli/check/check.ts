import { CheckpointBody } from "./checkpoint-body.ts";
import type { Body, Report } from "./body.ts";
import { FlowBody } from "./flow-body.ts";
import { applyIgnores } from "./ignore.ts";
import { Names } from "./name-rule.ts";
import { type Finding, severityOf } from "./rules.ts";
import { type SyntaxProblem, lineText, placeOf } from "./source.ts";
import { type ReadFile, Sources } from "./sources.ts";
import type { Definition } from "./value.ts";
import { Values } from "./values.ts";

/** What `checkFiles` works on. */
export interface CheckParams {
  /** Absolute paths. */
  readonly paths: readonly string[];
  readonly read: ReadFile;
  /** Whether one program loads all of the paths. Otherwise two with the same name may be of two programs. */
  readonly isOneProgram?: boolean;
  /** A path as a person reads it. @default the path itself */
  readonly display?: (path: string) => string;
}

/** What was looked at, and what was found. */
export interface Checked {
  readonly findings: readonly Finding[];
  /** How many files were read, those that others import included. */
  readonly files: number;
  readonly flows: number;
  readonly checkpoints: number;
  readonly waits: number;
}

/** Check the flows and checkpoints of files, and of what they import by relative paths. */
export function checkFiles(params: CheckParams): Checked {
  const { paths, read } = params;
  const sources = new Sources(paths, read);
  const values = new Values(sources);
  const found: Finding[] = [];
  const context: Context = { sources, values, report: reporter(sources, found) };
  const definitions = sources.files.flatMap(({ calls }) =>
    calls.flatMap((call) => values.definition(call) ?? []),
  );
  checkNames(context, definitions, params);
  checkBodies(context, definitions);

  const remaining = sources.files.flatMap((file) =>
    applyIgnores(
      file,
      found.filter(({ path }) => path === file.path),
      { isUnusedTold: paths.includes(file.path) },
    ),
  );
  const count = (kind: Definition["kind"]): number =>
    definitions.filter((one) => one.kind === kind).length;
  return {
    findings: [...sources.problems.map(syntaxFinding), ...remaining].toSorted(inOrder),
    files: sources.files.length + sources.problems.length,
    flows: count("flow"),
    checkpoints: count("checkpoint"),
    waits: count("wait"),
  };
}

type Context = Pick<Body, "sources" | "values" | "report">;

function checkNames(
  context: Context,
  definitions: readonly Definition[],
  { isOneProgram = false, display = (path) => path }: CheckParams,
): void {
  const { sources, values } = context;
  const names = new Names({ ...context, display, isOneProgram });
  for (const one of definitions) names.check(one);
  for (const call of sources.files.flatMap(({ calls }) => calls))
    if (values.isExternal(call.callee, "kitaru#llm")) names.checkLlm(call);
}

function checkBodies(context: Context, definitions: readonly Definition[]): void {
  const flows = new FlowBody(context);
  const checkpoints = new CheckpointBody(context);
  for (const one of definitions) {
    const body = context.values.bodyOf(one);
    if (one.kind === "flow" && body === undefined) reportUnknownBody(context, one);
    else if (body !== undefined) (one.kind === "flow" ? flows : checkpoints).run(one, body);
  }
}

function reportUnknownBody({ report }: Context, { call }: Definition): void {
  const last = call.arguments.at(-1);
  if (last !== undefined && call.arguments.length >= 2)
    report(
      "unknown-body",
      last,
      "The function of this flow cannot be found, so it is not checked. Write it here, or import it by a relative path.",
    );
}

/** Turns what rules say of nodes into findings, each once. */
function reporter(sources: Sources, findings: Finding[]): Report {
  const seen = new Set<string>();
  return (rule, node, message, severity = severityOf(rule)) => {
    const file = sources.fileOf(node);
    const key = `${file.path}:${node.start}:${rule}`;
    if (seen.has(key)) return;
    seen.add(key);
    const { line, column } = placeOf(file, node);
    const source = lineText(file, line);
    const length = Math.max(1, Math.min(node.end - node.start, source.length - column + 1));
    findings.push({ path: file.path, line, column, length, rule, severity, message, source });
  };
}

function syntaxFinding({ path, line, column, message, source }: SyntaxProblem): Finding {
  return { path, line, column, length: 1, rule: "syntax", severity: "error", message, source };
}

function inOrder(one: Finding, other: Finding): number {
  if (one.path !== other.path) return one.path < other.path ? -1 : 1;
  return one.line - other.line || one.column - other.column;
}
