import { type CompletedEntry, type Entry, readLineAt } from "./entry.ts";

/** Text of one segment of a journal. */
export interface Segment {
  readonly body: string;
  /** Sort key, for messages. */
  readonly sort: string;
}

/**
 * The recorded outcome of a checkpoint whose line is known to be whole and read when it is needed. Of a long journal most
 * outcomes are needed once, one after another; all of them at once would be most of what its advance has in memory.
 */
export class OutcomeLine {
  readonly id: string;
  /** Place in the journal; set when it is folded. */
  position = -1;
  readonly #segment: Segment;
  readonly #from: number;
  readonly #to: number;

  constructor(segment: Segment, from: number, to: number) {
    this.#segment = segment;
    this.#from = from;
    this.#to = to;
    this.id = this.#text('"id":"', '"');
  }

  get kind(): "checkpoint" {
    return "checkpoint";
  }

  get name(): string {
    return this.id.slice(0, this.id.lastIndexOf(":"));
  }

  get ask(): number {
    return Number(this.#text(',"ask":', ","));
  }

  get h(): string {
    return this.#text(digestField, '"');
  }

  get early(): false {
    return false;
  }

  /** Read anew each time. */
  get entry(): CompletedEntry {
    return readLineAt(this.#segment, this.#from, this.#to) as CompletedEntry;
  }

  /** Epoch milliseconds when it was recorded. */
  get at(): number {
    return Number(this.#segment.body.slice(this.#lastOf(atField) + atField.length, this.#to - 1));
  }

  /** The value, a fresh copy each time. */
  get value(): unknown {
    // no other field looks like it: a result is flat, and quotes in text are escaped
    const from = this.#lastOf(outField) + outField.length;
    return JSON.parse(this.#segment.body.slice(from, this.#lastOf(atField) - 1));
  }

  #text(before: string, after: string): string {
    const { body } = this.#segment;
    const from = body.indexOf(before, this.#from) + before.length;
    return body.slice(from, body.indexOf(after, from));
  }

  #lastOf(field: string): number {
    return this.#segment.body.lastIndexOf(field, this.#to);
  }
}

const digestField = ',"h":"';
const outField = ',"out":{"v":';
const atField = ',"at":';

/** Read the lines of a segment, but for those that can be put off. Throws like `readLines`. */
export function scanLines(segment: Segment, take: (line: Entry | OutcomeLine) => void): void {
  const { body } = segment;
  for (let from = 0; from < body.length;) {
    const newline = body.indexOf("\n", from);
    const to = newline === -1 ? body.length : newline;
    take(
      isPlain(body, from, to) ? new OutcomeLine(segment, from, to) : readLineAt(segment, from, to),
    );
    from = to + 1;
  }
}

function isPlain(body: string, from: number, to: number): boolean {
  plainLine.lastIndex = from;
  return plainLine.test(body) && plainLine.lastIndex === to;
}

const integer = String.raw`(?:0|[1-9]\d*)`;
const number = String.raw`-?${integer}(?:\.\d+)?(?:[eE][+-]?\d+)?`;
const plainText = String.raw`[^"\\\x00-\x1f]*`;
const escape = String.raw`\\(?:["\\/bfnrt]|u[\da-fA-F]{4})`;
const string = `"${plainText}(?:${escape}${plainText})*"`;
const scalar = `(?:${number}|${string}|true|false|null)`;
const flat = [scalar, arrayOf(scalar), `\\{${listOf(`${string}:${scalar}`)}\\}`].join("|");
const ref = `\\{"v":(?:${flat})\\}`;

/**
 * The line of a checkpoint that took and gave nothing nested, written field by field as {@link CompletedEntry} is. It holds
 * for a whole line only: damage, and everything that is less usual, is left to the reader.
 */
const plainLine = new RegExp(
  [
    String.raw`\{(?:"n":"[\w.:-]*",)?"t":"completed","id":"([\w-]+):${integer}","kind":"checkpoint","name":"\1"`,
    `"ask":${integer}`,
    String.raw`"h":"${plainText}"`,
    `"in":${arrayOf(ref)}`,
    `"s":${integer}`,
    `"out":${ref}`,
    `"at":${integer}\\}`,
  ].join(","),
  "y",
);

function arrayOf(item: string): string {
  return `\\[${listOf(item)}\\]`;
}

function listOf(item: string): string {
  return `(?:${item}(?:,${item})*)?`;
}
