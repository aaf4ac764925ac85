import { fileURLToPath } from "node:url";

const packageRoot = new URL("../../", import.meta.url).href;
const framePattern = /(?:\(|at )(file:\/\/[^\s)]+):\d+:\d+\)?$/;

/**
 * Path of the module whose top level is defining a flow, so that another process can load it again;
 * undefined when the stack does not tell (a bundle without files, an eval).
 */
export function definingModule(): string | undefined {
  const frames = (new Error("trace").stack ?? "").split("\n").slice(2);
  for (const frame of frames) {
    const url = framePattern.exec(frame.trim())?.[1];
    if (url !== undefined && !isOurs(url)) return fileURLToPath(withoutQuery(url));
  }
  return undefined;
}

/** Examples and tests live beside the package's own code while it is developed. */
function isOurs(url: string): boolean {
  return url.startsWith(`${packageRoot}core/`) && !url.includes(".test.");
}

function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/, "");
}
