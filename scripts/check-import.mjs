// Holds what an import of the built package may load: what defines flows and what drives them, in one
// file, and nothing of a stack, which is loaded when it is opened. Counts, not milliseconds: they do not vary.
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

process.chdir(`${import.meta.dirname}/..`);

/** Most files and KiB of this package. */
const limits = {
  kitaru: { files: 4, kib: 360 },
  "kitaru/local": { files: 4, kib: 16 },
};

/** Parts of Node that are loaded already when a program starts, or take no time. */
const quick = new Set(["async_hooks", "buffer", "path", "url", "util/types"]);
/** Parts of Node that are slow to load, whichever way. */
const slow = ["child_process", "crypto", "fs/promises", "http", "net", "sqlite", "stream", "tls"];

const problems = [];
for (const [specifier, limit] of Object.entries(limits)) check(specifier, limit);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;

function check(specifier, limit) {
  const { urls, parts } = loadedBy(specifier);
  const own = urls.filter((url) => url.startsWith("file:")).map((url) => fileURLToPath(url));
  const kib = own.reduce((sum, file) => sum + statSync(file).size, 0) / 1024;
  console.log(`note: import "${specifier}" loads ${own.length} files, ${Math.ceil(kib)} KiB`);

  if (own.length > limit.files) report(specifier, `${own.length} files, not ${limit.files}`);
  if (kib > limit.kib) report(specifier, `${Math.ceil(kib)} KiB, not ${limit.kib}`);
  for (const file of own.map((path) => relative(".", path))) {
    if (!file.startsWith("dist/")) report(specifier, `${file}, which is not part of the package`);
  }
  const named = urls.filter((url) => url.startsWith("node:")).map((url) => url.slice(5));
  const forbidden = named.filter((part) => !quick.has(part));
  for (const part of new Set([...forbidden, ...parts])) report(specifier, `node:${part}`);
}

function report(specifier, what) {
  problems.push(`import "${specifier}" loads ${what}: load it where it is used`);
}

/** In a process of its own; `parts` are slow ones of Node, also where they were not imported. */
function loadedBy(specifier) {
  const program = `
    import { registerHooks } from "node:module";
    const urls = [];
    const load = (url, context, next) => (urls.push(url), next(url, context));
    registerHooks({ load });
    const before = new Set(process.moduleLoadList);
    await import(${JSON.stringify(specifier)});
    const isNew = (part) => {
      const name = "NativeModule " + part;
      return process.moduleLoadList.includes(name) && !before.has(name);
    };
    const parts = ${JSON.stringify(slow)}.filter(isNew);
    console.log(JSON.stringify({ urls, parts }));`;
  const args = ["--input-type=module", "--eval", program];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
}
