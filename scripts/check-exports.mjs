// Compares what package.json promises with what the build made: every export and program exists and
// loads, every public entry has an export, dist/ holds nothing that has no source, and no source
// twice.
import { accessSync, constants, existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";

process.chdir(`${import.meta.dirname}/..`);

const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const problems = [];
/** Started by their paths, by `cdk` or a person: they export nothing. */
const apps = new Set(["./infra/aws/app", "./infra/azure/app", "./infra/gcp/app"]);
/** The program of the local stack's own child processes; nobody imports it. */
const started = "adapters/local/handler.ts";

const targets = Object.entries(manifest.exports).filter(([, target]) => typeof target === "object");
for (const [name, target] of targets) await checkExport(name, target);
for (const [name, file] of Object.entries(manifest.bin)) checkProgram(name, file);
checkEntries(targets.map(([, target]) => target.default));
checkStrays();
checkCopies();

for (const problem of problems) console.error(problem);
console.log(`${targets.length} exports, ${Object.keys(manifest.bin).length} program checked`);
process.exitCode = problems.length === 0 ? 0 : 1;

async function checkExport(name, target) {
  const keys = Object.keys(target).join(", ");
  if (keys !== "types, default") problems.push(`export ${name}: has ${keys}, wants types, default`);
  for (const file of Object.values(target)) {
    if (!existsSync(file)) problems.push(`export ${name}: ${file} was not built`);
  }
  if (target.types !== target.default.replace(/\.js$/, ".d.ts")) {
    problems.push(`export ${name}: ${target.types} does not belong to ${target.default}`);
  }
  if (!existsSync(target.default) || apps.has(name)) return;
  const loaded = await import(pathToFileURL(target.default)).catch((error) => {
    problems.push(`export ${name}: does not load: ${error.message}`);
  });
  if (loaded && Object.keys(loaded).length === 0) problems.push(`export ${name}: exports nothing`);
}

function checkProgram(name, file) {
  if (!existsSync(file)) {
    problems.push(`program ${name}: ${file} was not built`);
    return;
  }
  if (!readFileSync(file, "utf8").startsWith("#!/usr/bin/env node\n")) {
    problems.push(`program ${name}: ${file} does not start with #!/usr/bin/env node`);
  }
  try {
    accessSync(file, constants.X_OK);
  } catch {
    problems.push(`program ${name}: ${file} is not executable`);
  }
}

/** An adapter's index and handler are public by their place; each needs its export. */
function checkEntries(exported) {
  const entries = globSync([
    "adapters/*/{index,handler}.ts",
    "infra/*/app.ts",
    "{core,testing,infra/*}/index.ts",
  ]);
  for (const source of entries.filter((entry) => entry !== started)) {
    const built = `./${join("dist", source.replace(/\.ts$/, ".js"))}`;
    if (!exported.includes(built)) problems.push(`${source}: has no entry in package.json exports`);
  }
}

function checkStrays() {
  for (const file of globSync("dist/**/*.{js,d.ts}", { exclude: ["dist/chunks/**"] })) {
    const source = file.replace(/^dist./, "").replace(/\.(?:js|d\.ts)$/, ".ts");
    if (!existsSync(source)) problems.push(`${file}: has no source`);
    if (/\.test(?:-d)?\.(?:js|d\.ts)$/.test(file)) problems.push(`${file}: a test was built`);
  }
}

/** Two copies of a module would each have a state of their own: the flows one knows, the other would not. */
function checkCopies() {
  const holders = new Map();
  for (const map of globSync("dist/**/*.js.map")) {
    for (const source of JSON.parse(readFileSync(map, "utf8")).sources) {
      const file = relative(".", join(dirname(map), source));
      if (!existsSync(file)) problems.push(`${map}: ${file} does not exist`);
      if (holders.has(file)) problems.push(`${file}: is in ${holders.get(file)} and in ${map}`);
      holders.set(file, map);
    }
  }
  for (const file of ["core/engine/definitions.ts", "core/stacks.ts", "core/errors.ts"]) {
    if (!holders.has(file)) problems.push(`${file}: is in no file of dist/`);
  }
}
