import type { Interface } from "node:readline/promises";
import type { PendingWait } from "../core/client/execution.ts";
import type { Ask, Said } from "./io.ts";
import { toText } from "./plain.ts";

/** The part of a JSON Schema that decides how a person is asked, and what an example looks like. */
interface AnswerForm {
  readonly type?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly unknown[];
  readonly oneOf?: readonly unknown[];
  readonly items?: unknown;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
}

/** An answer typed in, or why it is none. */
type Read = { readonly said: Said } | { readonly problem: string };

interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/** Ask at a terminal. An empty line leaves a wait pending, `abort` aborts it. */
export function askAt(terminal: Terminal): Ask {
  return async (wait, problem) => {
    // loaded here: most commands never ask
    const { createInterface } = await import("node:readline/promises");
    const lines = createInterface(terminal);
    try {
      return await askUntilRead(lines, wait, problem);
    } finally {
      lines.close();
    }
  };
}

/** A value that fits the form of an answer, for examples; texts in it are `…`. */
export function exampleAnswer(schema: unknown): string {
  const form = formOf(schema);
  const [choice] = form.const === undefined ? (form.enum ?? []) : [form.const];
  if (choice !== undefined) return JSON.stringify(choice);
  const [alternative] = form.anyOf ?? form.oneOf ?? [];
  if (alternative !== undefined) return exampleAnswer(alternative);
  switch (form.type) {
    case "boolean":
      return "true";
    case "string":
      return '"…"';
    case "number":
    case "integer":
      return "1";
    case "array":
      return form.items === undefined ? "[…]" : `[${exampleAnswer(form.items)}]`;
    case "object":
      return exampleObject(form);
    default:
      return "JSON";
  }
}

function exampleObject({ properties, required = [] }: AnswerForm): string {
  const fields = required.flatMap((name) =>
    properties === undefined || !Object.hasOwn(properties, name)
      ? []
      : [`${JSON.stringify(name)}: ${exampleAnswer(properties[name])}`],
  );
  return fields.length === 0 ? "{…}" : `{${fields.join(", ")}}`;
}

async function askUntilRead(
  lines: Interface,
  wait: PendingWait,
  before: string | undefined,
): Promise<Said> {
  for (let problem = before; ;) {
    const line = await nextLine(lines, questionOf(wait, problem));
    if (line === undefined) return { kind: "later" };
    const read = readAnswer(wait, line.trim());
    if ("said" in read) return read.said;
    problem = read.problem;
  }
}

/** Undefined when the input has ended. */
async function nextLine(lines: Interface, question: string): Promise<string | undefined> {
  const ended = new Promise<undefined>((resolve) => {
    lines.once("close", () => resolve(undefined));
    lines.once("SIGINT", () => lines.close());
  });
  const answer = lines.question(question);
  answer.catch(() => undefined); // closed meanwhile
  return Promise.race([answer, ended]);
}

function questionOf(wait: PendingWait, problem: string | undefined): string {
  const parts = [
    problem,
    wait.question ?? `${wait.id} waits for an answer.`,
    wait.metadata === undefined || problem !== undefined ? undefined : toText(wait.metadata),
    `(${hintOf(wait)}; "abort" aborts, an empty line leaves it for later) `,
  ];
  return `\n${parts.filter((part) => part !== undefined).join("\n")}`;
}

function hintOf({ gate, schema }: PendingWait): string {
  const { enum: choices, type } = formOf(schema);
  if (gate) return "y continues";
  if (choices !== undefined) return choices.map((choice) => String(choice)).join(" / ");
  if (type === "boolean") return "y / n";
  if (type === "string") return "text";
  if (type === "number" || type === "integer") return "number";
  return "JSON";
}

/** What a line typed at the terminal says to a wait. */
export function readAnswer({ gate, schema }: PendingWait, line: string): Read {
  if (line === "") return { said: { kind: "later" } };
  if (line === "abort") return { said: { kind: "abort" } };
  const { enum: choices, type } = formOf(schema);
  if (gate)
    return /^y(es)?$/i.test(line)
      ? answered(undefined)
      : { problem: `"${line}" is not y or abort.` };
  const choice = choices?.find((one) => String(one) === line);
  if (choice !== undefined) return answered(choice);
  if (type === "boolean" && /^(y|yes|true)$/i.test(line)) return answered(true);
  if (type === "boolean" && /^(n|no|false)$/i.test(line)) return answered(false);
  if (type === "string") return answered(line);
  try {
    return answered(JSON.parse(line));
  } catch {
    return { problem: `${line} is not valid JSON; a text has double quotes: "${line}".` };
  }
}

function answered(value: unknown): Read {
  return { said: { kind: "answer", value } };
}

function formOf(schema: unknown): AnswerForm {
  return typeof schema === "object" && schema !== null ? schema : {};
}
