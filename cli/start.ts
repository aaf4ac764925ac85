import { basename, relative } from "node:path";
import { askAt } from "./ask.ts";
import type { Io } from "./io.ts";
import { runProgram } from "./program.ts";

const { stdin, stdout, stderr } = process;

// Standard output is the command's result. What a flow's code prints goes where the progress goes.
const write = stdout.write.bind(stdout);
stdout.write = stderr.write.bind(stderr);

// What Node calls experimental is this package's affair, not its user's.
process.removeAllListeners("warning");
process.on("warning", (warning) => {
  const code = "code" in warning ? warning.code : undefined;
  const isOurs = warning.name === "ExperimentalWarning" || code === "MODULE_TYPELESS_PACKAGE_JSON";
  if (!isOurs) stderr.write(`${warning.name}: ${warning.message}\n`);
});
stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") end(0); // `kitaru … | head`
  stderr.write(`error: The output cannot be written: ${error.message}.\n`);
  end(1);
});

const io: Io = {
  env: process.env,
  cwd: process.cwd(),
  self: selfName(process.argv[1] ?? ""),
  isTerminal: stdout.isTTY && stderr.isTTY,
  out: (text) => void write(text),
  err: (text) => void stderr.write(text),
  now: () => Date.now(),
  onInterrupt,
  ...(stdin.isTTY && stdout.isTTY ? { ask: askAt({ input: stdin, output: stderr }) } : {}),
};

process.on("uncaughtException", (error) => {
  stderr.write(
    process.env["KITARU_DEBUG"] === "1"
      ? `${error.stack ?? error.message}\n`
      : `error: ${error.message} (outside any checkpoint; KITARU_DEBUG=1 shows where)\n`,
  );
  end(1);
});

let isEnded = false;
process.on("exit", (status) => {
  if (isEnded) return;
  stderr.write(
    `error: The process was ended with code ${status} before the command was done: by process.exit() in a flow, or in what it imports. Executions that were under way go on with: kitaru executions resume ID\n`,
  );
  if (status === 0) process.exitCode = 1;
});
const code = await runProgram(process.argv.slice(2), io);
// a flow's module may hold servers and connections open
await Promise.all([
  new Promise((done) => write("", done)),
  new Promise((done) => stderr.write("", done)),
]);
end(code);

function end(status: number): never {
  isEnded = true;
  process.exit(status);
}

function onInterrupt(stop: () => void): () => void {
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.once(signal, stop);
  return () => {
    for (const signal of signals) process.removeListener(signal, stop);
  };
}

/** How a person called this program. */
function selfName(script: string): string {
  if (basename(script) === "main.ts") return `node ${relative(process.cwd(), script)}`;
  return process.env["npm_command"] === "exec" ? "npx kitaru" : "kitaru";
}
