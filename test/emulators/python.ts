import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A virtual environment with what a file of requirements pins. */
export interface PythonEnvironment {
  /** Its programs. */
  readonly bin: string;
  /** Why there is none; undefined when there is. */
  readonly missing: string | undefined;
}

/** Put pinned requirements into a virtual environment of their own, once; test files that start together share it. */
export function pythonEnvironment(name: string, requirementsFile: string): PythonEnvironment {
  const folder = here(`../../node_modules/.cache/${name}`);
  const requirements = readFileSync(here(requirementsFile), "utf8");
  const done = `${folder}/installed.txt`;
  const isDone = (): boolean => existsSync(done) && readFileSync(done, "utf8") === requirements;
  const lock = `${folder}.lock`;
  mkdirSync(dirname(lock), { recursive: true });
  while (!isDone()) {
    if (!take(lock)) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
      continue;
    }
    try {
      if (!isDone()) installInto(folder, here(requirementsFile));
      writeFileSync(done, requirements);
    } catch (error) {
      const said = error instanceof Error && "stderr" in error ? String(error.stderr) : "";
      const last = (said || String(error)).trim().split("\n").at(-1) ?? "";
      return { bin: `${folder}/bin`, missing: `${requirementsFile} cannot be installed: ${last}` };
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }
  return { bin: `${folder}/bin`, missing: undefined };
}

/** Whether this process may install now. A lock whose owner has been gone for ten minutes is broken. */
function take(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - since > 600_000) rmSync(lock, { recursive: true, force: true });
    return false;
  }
}

function installInto(folder: string, requirements: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const quiet = { stdio: "pipe" } as const;
  execFileSync("python3", ["-m", "venv", folder], quiet);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  execFileSync(`${folder}/bin/python`, [...pip, "-r", requirements], quiet);
}
