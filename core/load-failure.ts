import { fileURLToPath } from "node:url";
import { messageOf } from "./errors.ts";

const ownFolder = fileURLToPath(new URL(".", import.meta.url));

/** Why a module could not be loaded, in one line: what was thrown, and where as `FILE:LINE`, as far as that is known. */
export function loadFailureOf(error: unknown): string {
  const [message = ""] = messageOf(error).trim().split("\n");
  if (!(error instanceof Error)) return message;
  const name = error.name === "Error" ? "" : `${error.name}: `;
  const place = placeIn(error.stack ?? "");
  return `${name}${message}${place === undefined ? "" : ` (${place})`}`;
}

/** The line that cannot be parsed, which comes first, else the first of the user's own that ran. */
function placeIn(stack: string): string | undefined {
  for (const line of stack.split("\n")) {
    const found =
      /^(?: +at (?:.*[ (])?)?(?<url>file:\/\/)?(?<path>\/[^()]+?):(?<line>\d+)(?::\d+)?\)?$/.exec(
        line,
      );
    const { url, path = "", line: number = "" } = found?.groups ?? {};
    const file = url === undefined ? path : decoded(path);
    const isUsers = !file.includes("/node_modules/") && !file.startsWith(ownFolder);
    if (found !== null && isUsers) return `${file}:${number}`;
  }
  return undefined;
}

/** The path of a URL; as it stands there, when it is none: what failed must be told whatever its stack looks like. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
