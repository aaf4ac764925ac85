import { fileURLToPath } from "node:url";

const ownFolder = fileURLToPath(new URL("../", import.meta.url));
const framePattern = /(?:\(|at )((?:file:\/\/|\/|[A-Za-z]:[\\/])[^\s)]+):\d+:\d+\)?$/;

/**
 * Path of the module whose top level is defining a flow, so that another process can load it again;
 * undefined when the stack does not tell (a bundle without files, an eval).
 */
export function definingModule(): string | undefined {
  const frames = (new Error("trace").stack ?? "").split("\n").slice(2);
  for (const frame of frames) {
    const place = framePattern.exec(frame.trim())?.[1];
    if (place === undefined) continue;
    const path = place.startsWith("file:")
      ? fileURLToPath(withoutQuery(place))
      : withoutQuery(place);
    if (!path.startsWith(ownFolder) || path.includes(".test.")) return path;
  }
  return undefined;
}

function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/, "");
}
