import { dirname } from "node:path";

const fs = process.getBuiltinModule("node:fs"); // an import would load fs.promises too

/**
 * Make a folder and those it lies in; the highest one that was made. Throws a system error.
 * Node's own `recursive` never ends where a folder is there and nothing can be made in it, such as `/proc`.
 */
export function makeFolder(folder: string): string | undefined {
  try {
    fs.mkdirSync(folder);
    return folder;
  } catch (error) {
    if (isFolder(folder)) return undefined;
    const parent = dirname(folder);
    const isParentMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!isParentMissing || parent === folder) throw error;
    const highest = makeFolder(parent);
    fs.mkdirSync(folder);
    return highest;
  }
}

function isFolder(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
