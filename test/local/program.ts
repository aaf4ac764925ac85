import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const file = fileURLToPath(new URL("./fixtures/program.ts", import.meta.url));

/** Another process that uses the stack in `root`. */
export class Program {
  readonly #child: ChildProcess;
  readonly #lines: unknown[][] = [];
  readonly #exit: Promise<number | string>;
  #errors = "";
  #tell: (() => void) | undefined;
  #hasEnded = false;

  constructor(root: string, ...args: readonly string[]) {
    this.#child = spawn(process.execPath, [file, root, ...args], { stdio: "pipe" });
    const { stdout, stderr } = this.#child;
    if (stdout !== null)
      createInterface({ input: stdout }).on("line", (line) => {
        this.#lines.push(JSON.parse(line) as unknown[]);
        this.#tell?.();
      });
    stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    this.#exit = once(this.#child, "close").then(([code, signal]) => {
      this.#hasEnded = true;
      this.#tell?.();
      return (code ?? signal) as number | string;
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it prints next; the line must begin with `word`. */
  async says(word: string): Promise<unknown> {
    for (;;) {
      const line = this.#lines.shift();
      if (line?.[0] === word) return line[1];
      if (line !== undefined || this.#hasEnded)
        throw new Error(`expected "${word}", got ${JSON.stringify(line)}\n${this.#errors}`);
      await new Promise<void>((resolve) => {
        this.#tell = resolve;
      });
    }
  }

  /** Let it go on. */
  go(): void {
    this.#child.stdin?.write("go\n");
  }

  kill(): Promise<number | string> {
    this.#child.kill("SIGKILL");
    return this.#exit;
  }

  /** Its exit code, or the signal that ended it. */
  exit(): Promise<number | string> {
    return this.#exit;
  }

  get errors(): string {
    return this.#errors;
  }
}
