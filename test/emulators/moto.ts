import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pythonEnvironment } from "./python.ts";
import { type Emulator, startServer } from "./server.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const { bin, missing } = pythonEnvironment("kitaru-emulators", "requirements.txt");

/** The linter of CloudFormation templates; there when moto is. */
export const cfnLint = `${bin}/cfn-lint`;

/** Why moto cannot run here; undefined when it can. */
export const noMoto: string | undefined = missing;

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
    program: `${bin}/python`,
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
