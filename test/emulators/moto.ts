import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Emulator, startServer } from "./server.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const environment = here("../../node_modules/.cache/kitaru-emulators");

/** The linter of CloudFormation templates; there when moto is. */
export const cfnLint = `${environment}/bin/cfn-lint`;

/** Why moto cannot run here; undefined when it can. Installs it on the first call. */
export const noMoto: string | undefined = install();

/** What is to go wrong with functions. */
export interface FunctionFaults {
  /** Share of invocations whose process is killed while they run. */
  readonly kills?: number;
  /** Clocks of processes differ from that of this machine by up to so much. */
  readonly skewMs?: number;
}

/** A running moto. */
export interface Moto extends Emulator {
  /** From now on, instead of what was said before. */
  setFaults(faults: FunctionFaults): void;
  /** Names of the functions that were killed so far, once for each time. */
  killed(): readonly string[];
}

/** Start moto: S3, Step Functions, Lambda, Secrets Manager, CloudFormation and the rest, in memory. */
export async function startMoto(): Promise<Moto> {
  const folder = mkdtempSync(join(tmpdir(), "kitaru-moto-"));
  const file = join(folder, "faults.json");
  const setFaults = (faults: FunctionFaults): void => {
    writeFileSync(`${file}.new`, JSON.stringify(faults));
    renameSync(`${file}.new`, file); // it is read all the time
  };
  setFaults({});
  const { PATH = "", SEED = "1" } = process.env;
  const { endpoint, close } = await startServer({
    program: `${environment}/bin/python`,
    args: (port) => [here("moto_server.py"), String(port)],
    options: { env: { PATH, SEED, NODE: process.execPath, FAULTS: file } },
  });
  return {
    endpoint,
    setFaults,
    killed: () => readFileSync(`${file}.killed`, "utf8").trimEnd().split("\n"),
    close: async () => {
      await close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Put the pinned requirements into a virtual environment of their own, once; test files that start together share it. */
function install(): string | undefined {
  const requirements = readFileSync(here("requirements.txt"), "utf8");
  const done = `${environment}/installed.txt`;
  const isDone = (): boolean => existsSync(done) && readFileSync(done, "utf8") === requirements;
  const lock = `${environment}.lock`;
  mkdirSync(dirname(lock), { recursive: true });
  while (!isDone()) {
    if (!take(lock)) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
      continue;
    }
    try {
      if (!isDone()) installInto(environment);
      writeFileSync(done, requirements);
    } catch (error) {
      const said = error instanceof Error && "stderr" in error ? String(error.stderr) : "";
      return `moto cannot be installed: ${(said || String(error)).trim().split("\n").at(-1) ?? ""}`;
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }
  return undefined;
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

function installInto(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const quiet = { stdio: "pipe" } as const;
  execFileSync("python3", ["-m", "venv", folder], quiet);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  execFileSync(`${folder}/bin/python`, [...pip, "-r", here("requirements.txt")], quiet);
}
