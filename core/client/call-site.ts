import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** A place in a source file. */
export interface SourcePlace {
  /** Path; of a deployed version, relative to the package it was built from. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Frames between the code of a flow and where it is noted, with some to spare for helpers of the runtime. */
const frames = 40;

/** Note where the code runs that calls this; the place is worked out when it is asked for, which is dear. */
export function noteCallSite(): () => SourcePlace | undefined {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = frames;
  const trace = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return () => placeIn(trace.stack ?? "");
}

/** Place of the first frame of a stack that is neither this package's nor the runtime's. */
export function placeIn(stack: string): SourcePlace | undefined {
  for (const frame of stack.split("\n").slice(1)) {
    const place = readFrame(frame);
    if (place !== undefined && !isOwn(place.file)) return place;
  }
  return undefined;
}

/** A path may have parentheses of its own. */
const framePattern =
  /(?:^at (?:async )?|\()((?:file:|bundle:|node:|\/|[A-Za-z]:[\\/]).*):(\d+):(\d+)\)?$/;

function readFrame(frame: string): SourcePlace | undefined {
  const [, place, line, column] = framePattern.exec(frame.trim()) ?? [];
  if (place === undefined || place.startsWith("node:")) return undefined;
  return { file: pathOf(place), line: Number(line), column: Number(column) };
}

/** The source map of a bundle names its files relative to their package. */
const bundled = /^.*\bbundle:\/+/;

function pathOf(place: string): string {
  const path = place.replace(/[?#].*$/, "");
  if (bundled.test(path)) return path.replace(bundled, "");
  return path.startsWith("file:") ? fileURLToPath(path) : path;
}

/** From the sources and from dist/ alike, this module is two folders below the package. */
const packageFolder = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

function isOwn(file: string): boolean {
  if (!file.startsWith(packageFolder)) return false;
  const inside = file.slice(packageFolder.length + 1).replaceAll("\\", "/");
  return /^(?:core|dist|testing)\//.test(inside) && !/\.test\.ts$|\/fixtures\//.test(inside);
}
