import { Executions } from "../core/client/executions.ts";
import { Artifacts } from "../core/client/artifacts.ts";
import { Deployments } from "../core/client/deployments.ts";
import type { Runtime } from "../core/engine/runtime.ts";
import { activeRuntime } from "../core/stacks.ts";
import { type Failure, describeFailure } from "./failure.ts";
import type { Io } from "./io.ts";
import { toPlain } from "../core/client/plain.ts";
import { type Style, makeStyle } from "./text.ts";

/** An opened stack, as commands use it. */
export interface OpenedStack {
  readonly runtime: Runtime;
  readonly executions: Executions;
  readonly artifacts: Artifacts;
  readonly deployments: Deployments;
}

/** What a command says, as text or as JSON. */
export class Console {
  readonly io: Io;
  readonly isJson: boolean;
  readonly style: Style;
  /** Of standard error, where progress goes. */
  readonly noteStyle: Style;
  /** Dotted name of the command that runs. */
  command = "kitaru";

  constructor(io: Io, isJson: boolean) {
    this.io = io;
    this.isJson = isJson;
    const isColored = io.isTerminal && !isJson && !io.env["NO_COLOR"];
    this.style = makeStyle(isColored);
    this.noteStyle = this.style;
  }

  /** One thing: its text, or `{command,item}`. */
  item(item: unknown, lines: readonly string[]): void {
    this.#say({ item: toPlain(item) }, lines);
  }

  /** Several things: their text, or `{command,items,count}`. */
  items(items: readonly unknown[], lines: readonly string[]): void {
    this.#say({ items: toPlain(items), count: items.length }, lines);
  }

  /** Something beside the result, for people only. */
  note(line: string): void {
    if (!this.isJson) this.io.err(`${line}\n`);
  }

  /** What went wrong. */
  fail(error: unknown): void {
    const { command } = this;
    const failure: Failure = describeFailure(error);
    this.io.err(
      this.isJson
        ? `${JSON.stringify({ command, error: failure })}\n`
        : `${this.noteStyle.red("error")}: ${failure.message}\n`,
    );
    if (this.io.env["KITARU_DEBUG"] === "1" && error instanceof Error)
      this.io.err(`${stackOf(error)}\n`);
  }

  #say(data: object, lines: readonly string[]): void {
    if (this.isJson) this.io.out(`${JSON.stringify({ command: this.command, ...data })}\n`);
    else this.io.out(lines.map((line) => `${line}\n`).join(""));
  }
}

/** Open the stack that applies. */
export async function openStack(name: string | undefined): Promise<OpenedStack> {
  return stackOn(await activeRuntime(name === undefined ? {} : { stack: name }));
}

/** Commands over a runtime. */
export function stackOn(runtime: Runtime): OpenedStack {
  const open = async (): Promise<Runtime> => runtime;
  return {
    runtime,
    executions: new Executions(open),
    artifacts: new Artifacts(open),
    deployments: new Deployments(open),
  };
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}
