// Compiles the published folders into dist/ and makes the command line program executable.
// dist/ is emptied first: a source file that is gone must leave nothing behind in the package.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, rmSync } from "node:fs";

process.chdir(`${import.meta.dirname}/..`);

rmSync("dist", { recursive: true, force: true });

const { status } = spawnSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

const { bin } = JSON.parse(readFileSync("package.json", "utf8"));
for (const file of Object.values(bin)) {
  if (existsSync(file)) chmodSync(file, 0o755);
}
