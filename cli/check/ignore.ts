import type { Comment } from "oxc-parser";
import { type Finding, type Rule, isRule, rules, severityOf } from "./rules.ts";
import { type SourceFile, lineText, placeOf } from "./source.ts";

/** A comment that silences a rule on a line. */
interface Ignore {
  readonly comment: Comment;
  readonly rule: Rule;
  /** The line it speaks of. */
  readonly line: number;
}

const pattern = /^[\s*]*kitaru-check-ignore(?![\w-])\s*([\w-]*)\s*(:?)\s*([\s\S]*?)[\s*]*$/;

/** Leave out what comments silence, and add what is wrong with the comments. */
export function applyIgnores(
  file: SourceFile,
  findings: readonly Finding[],
  { isUnusedTold }: { readonly isUnusedTold: boolean },
): Finding[] {
  const read = file.comments.flatMap((comment) => readIgnore(file, comment) ?? []);
  const ignores = read.filter((one): one is Ignore => "comment" in one);
  const mistakes = read.filter((one): one is Finding => !("comment" in one));
  const silencing = (finding: Finding): Ignore | undefined =>
    ignores.find(({ rule, line }) => rule === finding.rule && line === finding.line);
  const used = new Set(findings.map(silencing));
  const unused = ignores
    .filter((one) => isUnusedTold && !used.has(one))
    .map((one) => unusedFinding(file, one));
  return [...findings.filter((one) => silencing(one) === undefined), ...mistakes, ...unused];
}

function readIgnore(file: SourceFile, comment: Comment): Ignore | Finding | undefined {
  const match = pattern.exec(comment.value);
  if (match === null) return undefined;
  const [, name = "", colon = "", reason = ""] = match;
  if (!isRule(name)) {
    const what = name === "" ? "This comment names no rule" : `There is no rule "${name}"`;
    const known = Object.keys(rules).join(", ");
    const message = `${what}. Write: kitaru-check-ignore RULE: reason. Rules: ${known}.`;
    return findingAt(file, comment, "ignore", message);
  }
  if (colon === "" || reason === "") {
    const message = `This comment gives no reason. Say why it is right here: kitaru-check-ignore ${name}: reason.`;
    return findingAt(file, comment, "ignore", message);
  }
  return { comment, rule: name, line: lineMeant(file, comment) };
}

function unusedFinding(file: SourceFile, { comment, rule, line }: Ignore): Finding {
  const message = `There is nothing of ${rule} in line ${line}. Remove this comment.`;
  return findingAt(file, comment, "unused-ignore", message);
}

/** The line of a comment that follows code; else the next line that has any. */
function lineMeant(file: SourceFile, comment: Comment): number {
  const { line, column } = placeOf(file, comment);
  if (
    lineText(file, line)
      .slice(0, column - 1)
      .trim() !== ""
  )
    return line;
  const { line: last } = placeOf(file, { start: comment.end });
  const after = lineText(file, last).slice(comment.end - (file.lineStarts[last - 1] ?? 0));
  if (after.trim() !== "") return last;
  let next = last + 1;
  while (/^\s*\/\/\s*kitaru-check-ignore\b/.test(lineText(file, next))) next += 1;
  return next;
}

function findingAt(file: SourceFile, comment: Comment, rule: Rule, message: string): Finding {
  const { line, column } = placeOf(file, comment);
  const source = lineText(file, line);
  const length = Math.min(comment.end - comment.start, source.length - column + 1);
  return {
    path: file.path,
    line,
    column,
    length,
    rule,
    severity: severityOf(rule),
    message,
    source,
  };
}
