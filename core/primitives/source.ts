import { fileURLToPath } from "node:url";

const framePattern = /(?:\(|at )((?:file:\/\/|\/|[A-Za-z]:[\\/])[^\s)]+):\d+:\d+\)?$/;

/**
 * Path of the module that calls `define`, so that another process can load it again; undefined when
 * the stack does not tell (a bundle without files, an eval).
 */
export function definingModule(define: (...args: never[]) => unknown): string | undefined {
  const trace = { stack: "" };
  Error.captureStackTrace(trace, define);
  for (const frame of trace.stack.split("\n").slice(1)) {
    const place = framePattern.exec(frame.trim())?.[1];
    if (place === undefined) continue;
    return place.startsWith("file:") ? fileURLToPath(withoutQuery(place)) : withoutQuery(place);
  }
  return undefined;
}

function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/, "");
}
