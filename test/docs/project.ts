import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the pages say that their project is. */
export const shownRoot = "/tmp/demo";

const timeoutProgram = fileURLToPath(new URL("timeout.ts", import.meta.url));
const repository = fileURLToPath(new URL("../../", import.meta.url));

/** A project folder in which the commands of a page run, with this repository's sources as the package. */
export class Project {
  readonly root: string;
  readonly #bin: string;

  private constructor(folder: string) {
    this.root = join(folder, "demo");
    this.#bin = join(folder, "bin");
  }

  static async create(): Promise<Project> {
    const project = new Project(await mkdtemp(join(tmpdir(), "kitaru-docs-")));
    await mkdir(project.root);
    await mkdir(project.#bin);
    await project.write("package.json", '{ "private": true, "type": "module" }\n');
    const node = `"${process.execPath}" --import "${join(repository, "test/from-source.ts")}"`;
    await project.#addProgram("node", `exec ${node} "$@"`);
    // A program of its own, so that it does not take itself for the sources' main.ts.
    const program = join(project.#bin, "kitaru.mjs");
    await writeFile(program, `import ${JSON.stringify(join(repository, "cli/main.ts"))};\n`);
    await project.#addProgram("timeout", `exec "${process.execPath}" "${timeoutProgram}" "$@"`);
    await project.#addProgram("kitaru", `exec ${node} "${program}" "$@"`);
    await project.#addProgram("npx", `npm_command=exec exec "$@"`);
    await mkdir(join(project.root, "node_modules"));
    await symlink(repository, join(project.root, "node_modules/kitaru"));
    return project;
  }

  async write(path: string, text: string): Promise<void> {
    const file = join(this.root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }

  /** Run a command line; what it printed to either stream, with this project's folder as the pages name it. */
  async run(command: string): Promise<string> {
    const child = spawn("bash", ["-c", `exec 2>&1; ${command}`], {
      cwd: this.root,
      env: {
        ...cleanEnvironment(),
        PATH: `${this.#bin}:${process.env["PATH"] ?? ""}`,
        NODE_COMPILE_CACHE: join(repository, "node_modules/.cache/docs"),
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (more: string) => (text += more));
    await new Promise((resolve) => child.once("close", resolve));
    return text.replaceAll(this.root, shownRoot);
  }

  async remove(): Promise<void> {
    await rm(dirname(this.root), { recursive: true });
  }

  async #addProgram(name: string, body: string): Promise<void> {
    const file = join(this.#bin, name);
    await writeFile(file, `#!/bin/sh\n${body}\n`);
    await chmod(file, 0o755);
  }
}

/** Without what would change how the commands run: keys, choices, and the test runner's own. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:KITARU_|VITEST|NODE_|npm_)|_API_KEY$/.test(name),
  );
  return Object.fromEntries(kept);
}
