import { readFile } from "node:fs/promises";

let known: Promise<string> | undefined;

/** Version of this package, from its sources and from dist/ alike. */
export function packageVersion(): Promise<string> {
  known ??= readVersion();
  return known;
}

async function readVersion(): Promise<string> {
  for (const path of ["../package.json", "../../package.json"]) {
    const text = await readFile(new URL(path, import.meta.url), "utf8").catch(() => "null");
    const found: unknown = JSON.parse(text);
    if (typeof found === "object" && found !== null && "name" in found && found.name === "kitaru")
      return "version" in found ? String(found.version) : "";
  }
  return "unknown";
}
