// `npm test`: everything, from a clean checkout. Uses nothing that is not in Node itself, so that
// it runs before anything is installed and on the Node that happens to be there.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

process.chdir(`${import.meta.dirname}/..`);

if (!isInstalled()) npm("ci");
npm("run", "--silent", "ci");

/** Whether node_modules holds exactly what the lock file asks for, its own Node included. */
function isInstalled() {
  const installedLock = "node_modules/.package-lock.json";
  if (!existsSync(installedLock) || !existsSync("node_modules/node/bin/node")) return false;
  const installed = JSON.parse(readFileSync(installedLock, "utf8")).packages;
  const wanted = JSON.parse(readFileSync("package-lock.json", "utf8")).packages;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === "") return true;
    return installed[path] ? installed[path].version === version : optional === true;
  });
}

function npm(...args) {
  const { status } = spawnSync("npm", args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
