// Proves that the package works from its tarball: packs it, installs it into an empty project,
// type-checks an example there under each module resolution users have, and runs it on the Node of
// this repository and on the oldest Node that package.json promises. Each cloud's adapter runs with
// that cloud's packages alone.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { clouds } from "./pack-clouds.mjs";

process.chdir(`${import.meta.dirname}/..`);

const repository = process.cwd();
const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const project = mkdtempSync(join(tmpdir(), "kitaru-pack-"));
const installOptions = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];
const cloudPackages = [
  ...new Set(Object.values(clouds).flatMap(({ steps }) => steps.flatMap((one) => one.packages))),
];

/** Flows of a user, one of which needs a process of its own. */
const flows = `
import { checkpoint, flow, wait } from "kitaru";

const square = checkpoint("square", async (n: number) => n * n);
const elsewhere = checkpoint("elsewhere", { runtime: "isolated" }, (sum: number) => ({
  facts: new Map([["sum", sum]]),
  pid: process.pid,
}));
const approve = wait("approve", { timeout: "1h" });

export const sumOfSquares = flow("sum_of_squares", async ({ upTo }: { upTo: number }) => {
  let sum = 0;
  for (let n = 1; n <= upTo; n += 1) sum += await square(n);
  return sum;
});

export const sumElsewhere = flow("sum_elsewhere", async (sum: number) => elsewhere(sum));

export const gated = flow("gated", async (n: number) => {
  await approve();
  return square(n);
});
`;

const example = `
import { KitaruClient } from "kitaru";
import { crashEverywhere, testStack } from "kitaru/testing";
import { gated, sumElsewhere, sumOfSquares } from "./flows.ts";

const sum: number = await sumOfSquares.run({ upTo: 4 }).result();
const { facts, pid } = await sumElsewhere.run(sum).result();
const isElsewhere: boolean = pid !== process.pid;
const executions = await new KitaruClient().executions.list();
const answers = { approve: undefined };
const { runs } = await crashEverywhere(gated, 3, { answers });
const stack = await testStack();
const nine: number = await stack.run(gated, 3, { answers });
await stack.close();
console.log(sum, facts.get("sum"), isElsewhere, executions.length, runs > 10, nine);
`;

try {
  install();
  typecheck();
  runOn("node", process.execPath);
  for (const [name, cloud] of Object.entries(clouds)) runOnCloud(name, cloud, process.execPath);
  const oldest = oldestNode(manifest.engines.node.replace(">=", ""));
  if (oldest) runOn("node", oldest);
} finally {
  rmSync(project, { recursive: true, force: true });
}

function install() {
  const packed = exec("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project]);
  const [{ filename, files, size }] = JSON.parse(packed);
  const strays = files.filter(({ path }) => /\.test\.|\.test-d\.|fixtures\/|^\.env/.test(path));
  if (strays.length > 0) throw new Error(`packed by mistake: ${strays.map((f) => f.path)}`);
  console.log(`note: ${files.length} files, ${Math.ceil(size / 1024)} KiB packed`);

  write("package.json", JSON.stringify({ name: "example", private: true, type: "module" }));
  exec("npm", ["install", ...installOptions, join(project, filename)], { cwd: project });
}

function typecheck() {
  write("flows.ts", flows);
  write("example.ts", example);
  for (const module of [
    { module: "nodenext", moduleResolution: "nodenext" },
    { module: "esnext", moduleResolution: "bundler" },
  ]) {
    const compilerOptions = {
      ...module,
      target: "es2023",
      lib: ["es2024", "esnext.disposable"],
      strict: true,
      allowImportingTsExtensions: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      types: ["node"],
      typeRoots: [join(repository, "node_modules/@types")],
    };
    write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["example.ts"] }));
    exec(join(repository, "node_modules/.bin/tsc"), ["-p", project], { cwd: project });
  }
}

/** Flows with checkpoints here and in another process, the test kit, and the program. */
function runOn(name, node) {
  const version = exec(node, ["--version"]).trim();
  for (const options of [[], ["--enable-source-maps"]]) {
    rmSync(join(project, ".kitaru"), { recursive: true, force: true });
    const printed = exec(node, [...options, "example.ts"], { cwd: project }).trim();
    const expected = "30 30 true 2 true 9";
    if (printed !== expected)
      throw new Error(`${name} ${version} printed ${printed}, not ${expected}`);
  }

  const program = join(project, "node_modules/.bin/kitaru");
  const said = exec(node, [program, "--version"], { cwd: project }).trim();
  if (said !== manifest.version) throw new Error(`kitaru --version printed ${said}`);
  const args = ["run", "flows.ts:sum_elsewhere", "--input", "5", "--output", "json"];
  const { item } = JSON.parse(exec(node, [program, ...args], { cwd: project }));
  if (item.status !== "completed") throw new Error(`kitaru ${args.join(" ")}: ${item.status}`);
  runDeployed(node, program);
  console.log(`note: runs on ${name} ${version}`);
}

/**
 * A user's program with a stack in a cloud, first with none of its packages, then with nothing installed but what the messages say,
 * each step with those of the step before taken away.
 */
function runOnCloud(name, { program, variables, steps }, node) {
  const file = join("clouds", `${name}.ts`);
  write(file, program);
  const env = { ...process.env, ...variables, HOME: project };
  for (const { packages, prints } of steps) {
    installOnly(packages);
    const printed = exec(node, [file], { cwd: project, env });
    for (const [what, expected] of Object.entries(prints)) {
      const line = printed.split("\n").find((one) => one.startsWith(`${what}: `));
      if (line?.includes(expected)) continue;
      throw new Error(
        `kitaru/${name} with ${packages.join(" ") || "no packages"}: ${what} printed ${line}, without ${expected}\n${printed}`,
      );
    }
  }
  console.log(`note: kitaru/${name} needs its own packages alone, and names them`);
}

/** Have these packages of clouds in the project, in the versions of this repository, and no others. */
function installOnly(packages) {
  const named = packages.map((one) => `${one}@${manifest.devDependencies[one]}`);
  exec("npm", ["install", "--no-save", ...installOptions, ...named], { cwd: project });
  const there = cloudPackages.filter((one) => existsSync(join(project, "node_modules", one)));
  if (there.length === packages.length && packages.every((one) => there.includes(one))) return;
  throw new Error(`${there.join(" ")} is installed, not ${packages.join(" ") || "nothing"}`);
}

/** A version that was built here, in this process and in that of its isolated checkpoint. */
function runDeployed(node, program) {
  const run = (...args) =>
    JSON.parse(exec(node, [program, ...args, "--output", "json"], { cwd: project }));
  const { count } = run("deploy", "flows.ts");
  const { item } = run("invoke", "sum_elsewhere", "--input", "5", "--wait");
  const found = `${count} ${item.version} ${item.status}`;
  if (found !== "3 1 completed") throw new Error(`kitaru deploy and invoke: ${found}`);
}

/**
 * The oldest supported Node, from the package registry, kept between runs. Undefined, with the
 * reason printed, where it cannot be had.
 */
function oldestNode(version) {
  const prefix = process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node";
  const name = `${prefix}-${process.platform}-${process.arch}`;
  const folder = resolve(`node_modules/.cache/kitaru/node-${version}`);
  const node = join(folder, "node_modules", name, "bin/node");
  if (existsSync(node)) return node;
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
    exec("npm", ["install", "--ignore-scripts", "--no-audit", `${name}@${version}`], {
      cwd: folder,
    });
    return node;
  } catch {
    console.log(`skipped: Node ${version}, because ${name}@${version} could not be installed`);
    return undefined;
  }
}

function write(file, text) {
  mkdirSync(dirname(join(project, file)), { recursive: true });
  writeFileSync(join(project, file), text);
}

function exec(program, args, options) {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: "pipe", ...options });
  } catch (error) {
    console.error(
      `${program} ${args.join(" ")} failed:\n${error.stdout ?? ""}${error.stderr ?? ""}`,
    );
    throw error;
  }
}
