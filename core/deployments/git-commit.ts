import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Commit } from "../plan/manifest.ts";

const run = promisify(execFile);

/** The git commit a folder is at; undefined where there is no repository or no git. */
export async function gitCommit(folder: string): Promise<Commit | undefined> {
  try {
    const sha = await git(folder, "rev-parse", "HEAD");
    const changes = await git(folder, "status", "--porcelain", "--untracked-files=no");
    return { sha, dirty: changes !== "" };
  } catch {
    return undefined;
  }
}

async function git(folder: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run("git", ["-C", folder, ...args]);
  return stdout.trim();
}
