import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { KitaruUsageError, messageOf } from "../core/errors.ts";

/** Most bytes of a JSON argument or file. */
const mostBytes = 64 * 1024 * 1024;

interface JsonArgument {
  /** Name of the option, for messages. */
  readonly option: string;
  /** JSON, `@file`, or `@-` for standard input. */
  readonly text: string;
  readonly cwd: string;
}

/** Read a JSON argument. Throws a usage error that says where it is malformed, missing or too large. */
export async function readJsonArgument({ option, text, cwd }: JsonArgument): Promise<unknown> {
  if (text === "@-") return readJsonFile(option, "/dev/stdin", "-");
  if (text.startsWith("@")) return readJsonFile(option, resolve(cwd, text.slice(1)));
  checkSize(option, Buffer.byteLength(text));
  return parseJson(
    text,
    option,
    ` In a shell, put it in single quotes: ${option} '{"key": "value"}'; a text has its own double quotes: ${option} '"text"'.`,
  );
}

const textDecoder = new TextDecoder("utf-8", { fatal: true });

async function readJsonFile(option: string, file: string, shown = file): Promise<unknown> {
  const what = `${option} @${shown}`;
  let text: string;
  try {
    const { size } = await stat(file);
    checkSize(what, size);
    const bytes = await readFile(file);
    checkSize(what, bytes.byteLength); // a pipe does not tell beforehand
    text = textDecoder.decode(bytes);
  } catch (error) {
    if (error instanceof KitaruUsageError) throw error;
    throw new KitaruUsageError(`${option}: ${reasonOf(error, file)}`, { cause: error });
  }
  return parseJson(text, what, "");
}

function checkSize(what: string, size: number): void {
  if (size <= mostBytes) return;
  throw new KitaruUsageError(
    `${what} has ${(size / 1024 / 1024).toFixed(1)} MB; at most ${mostBytes / 1024 / 1024} MB are taken. Put large data in a file or a bucket, pass its name, and read it in a checkpoint.`,
  );
}

function reasonOf(error: unknown, file: string): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return `there is no file ${file}.`;
  if (code === "ERR_ENCODING_INVALID_ENCODED_DATA")
    return `${file} is not text in UTF-8. Save it as UTF-8 and try again.`;
  if (code === "EISDIR") return `${file} is a folder, not a file.`;
  return `${file} cannot be read: ${messageOf(error)}.`;
}

function parseJson(text: string, what: string, hint: string): unknown {
  if (text.trim() === "") throw new KitaruUsageError(`${what} is empty, which is not JSON.${hint}`);
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new KitaruUsageError(
      `${what} is not valid JSON${placeOf(text, messageOf(error))}.${hint}`,
    );
  }
}

/** Where the parser gave up: it names a character, or the end. */
function placeOf(text: string, message: string): string {
  const found = /at position (\d+)/.exec(message)?.[1];
  const position = found === undefined ? endOrToken(text, message) : Number(found);
  if (position >= text.trimEnd().length)
    return `: it ends too early, after ${near(text, text.length)}`;
  const before = text.slice(0, position).split("\n");
  const column = (before.at(-1) ?? "").length + 1;
  return `: unexpected ${JSON.stringify(text[position])} at line ${before.length}, column ${column}, near ${near(text, position + 10)}`;
}

/** Some messages quote the unexpected character instead of its position. */
function endOrToken(text: string, message: string): number {
  const token = /^Unexpected token '(.+?)'/.exec(message)?.[1];
  const index = token === undefined ? -1 : text.indexOf(token);
  return index === -1 ? text.length : index;
}

function near(text: string, end: number): string {
  return JSON.stringify(text.slice(Math.max(0, end - 25), end));
}
