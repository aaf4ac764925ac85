import { type Comment, type Node, type Program, parseSync } from "oxc-parser";
import { type Names, findNames } from "./scope.ts";

/** A place in a source, as editors count: lines and columns from 1, columns in UTF-16 units. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** One parsed file. */
export interface SourceFile extends Names {
  /** Absolute path. */
  readonly path: string;
  readonly text: string;
  readonly program: Program;
  readonly comments: readonly Comment[];
  /** Offset of the first character of each line. */
  readonly lineStarts: readonly number[];
}

/** Why a file cannot be parsed. */
export interface SyntaxProblem extends Place {
  readonly path: string;
  readonly message: string;
  /** Text of the line. */
  readonly source: string;
}

const bySyntax = /\.[cm]?[jt]sx?$/;

/** Whether a file can be parsed, by its name; declarations have nothing to run. */
export function isSourcePath(path: string): boolean {
  return bySyntax.test(path) && !/\.d\.[cm]?ts$/.test(path);
}

/** Parse a file and find its names. */
export function parseSource(path: string, text: string): SourceFile | SyntaxProblem {
  const { program, comments, errors } = parseSync(path, text, { preserveParens: false });
  const lineStarts = linesOf(text);
  const [error] = errors;
  if (error !== undefined) {
    const place = placeAt(lineStarts, error.labels[0]?.start ?? 0);
    const message = [error.message, error.helpMessage ?? ""]
      .filter((one) => one !== "")
      .map(sentence);
    return {
      path,
      ...place,
      message: message.join(" "),
      source: lineText({ text, lineStarts }, place.line),
    };
  }
  return { path, text, program, comments, lineStarts, ...findNames(program) };
}

function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

/** Whether a file was parsed. */
export function isParsed(file: SourceFile | SyntaxProblem): file is SourceFile {
  return "program" in file;
}

/** Where in its file a node starts. */
export function placeOf({ lineStarts }: SourceFile, node: Pick<Node, "start">): Place {
  return placeAt(lineStarts, node.start);
}

function placeAt(lineStarts: readonly number[], offset: number): Place {
  let low = 0;
  for (let high = lineStarts.length; low + 1 < high;) {
    const middle = (low + high) >> 1;
    if ((lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle;
  }
  return { line: low + 1, column: offset - (lineStarts[low] ?? 0) + 1 };
}

function linesOf(text: string): number[] {
  return [
    0,
    ...Array.from(text.matchAll(/\r\n|[\r\n]/g), ({ 0: end, index }) => index + end.length),
  ];
}

/** Text of a line, without its end. */
export function lineText(
  { text, lineStarts }: Pick<SourceFile, "text" | "lineStarts">,
  line: number,
): string {
  const start = lineStarts[line - 1];
  return start === undefined
    ? ""
    : text.slice(start, lineStarts[line] ?? text.length).replace(/[\r\n]+$/, "");
}
