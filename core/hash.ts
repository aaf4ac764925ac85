import { encode } from "./codec.ts";
import { blocksOf, sha256 as shortSha256 } from "./sha256.ts";
import { errorParts, isError, kindOf, maxDepth, whyUnstorable } from "./storable.ts";

/**
 * Version of the canonical form and of what stands for the inputs of a call: from 2 on their {@link fingerprint}, before
 * always their digest. Journals record it; changing either means raising it.
 */
export const hashVersion = 2;

/**
 * Hash a value: SHA-256 of a canonical form, as base64url (43 characters), the same on every machine.
 *
 * Equal values hash the same however they are built: the order of keys, a missing prototype and shared references do
 * not matter, except that sharing counts in values with cycles. The order of a Map or Set counts, so does a key whose
 * value is `undefined`. Errors count by name, message, fields and causes, never by stack.
 *
 * @param what names the value in messages
 * @throws KitaruSerializationError naming the path inside the value
 */
export function digest(value: unknown, what = "value"): string {
  return sha256(canonical(value, what), "base64url");
}

/**
 * What tells the inputs of a call from others: their canonical form itself where that is shorter than a hash, as it is of a
 * few numbers and short texts, and their {@link digest} otherwise.
 *
 * @throws like {@link digest}
 */
export function fingerprint(inputs: readonly unknown[]): string {
  return shortForm(inputs) ?? digest(inputs);
}

/** The digest of the inputs that something stands for in a journal, of whatever version. */
export function digestOf(standIn: string): string {
  return standIn.startsWith("[") ? sha256(standIn, "base64url") : standIn;
}

/** Characters of a digest. */
const hashLength = 43;

/** The canonical form, if it is short and made of scalars alone, and none of them a text that needs escapes. */
function shortForm(inputs: readonly unknown[]): string | undefined {
  let form = "[";
  for (const input of inputs) {
    if (!isShort(input)) return undefined;
    form += scalar(input);
  }
  return form.length < hashLength - 1 ? `${form}]` : undefined;
}

/** Whether a value is a number, or a short text that is ASCII and the same inside the quotes of JSON, or the like. */
function isShort(value: unknown): boolean {
  switch (typeof value) {
    case "number":
    case "boolean":
    case "undefined":
      return true;
    case "string":
      return value.length < hashLength && /^[ !#-[\]-~]*$/.test(value);
    default:
      return value === null;
  }
}

/** SHA-256 in hexadecimal; of the UTF-8 bytes when given a string. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return sha256(bytes, "hex");
}

/**
 * So many blocks of short texts are hashed before `node:crypto` is loaded, which takes 3 ms. More would soon be compiled, and
 * compiled again to be fast: that takes 5 MB.
 */
const fewBlocks = 8;
let hashedBlocks = 0;
let nodeHash: typeof import("node:crypto").hash | undefined;

function sha256(data: Uint8Array | string, encoding: "hex" | "base64url"): string {
  if (typeof data === "string" && hashedBlocks < fewBlocks) {
    const words = shortSha256(data);
    hashedBlocks += blocksOf(data);
    if (words !== undefined) return inBytes(words).toString(encoding);
  }
  nodeHash ??= process.getBuiltinModule("node:crypto").hash;
  return nodeHash("sha256", data, encoding);
}

function inBytes(words: Int32Array): Buffer {
  const bytes = Buffer.allocUnsafe(words.length * 4);
  for (const [index, word] of words.entries()) bytes.writeInt32BE(word, index * 4);
  return bytes;
}

/**
 * The canonical form. Every token tells its own length or ends in a character that cannot occur in it, so two
 * different values never have the same text.
 */
function canonical(value: unknown, what: string): string {
  try {
    return new TreeWriter().write(value, 0);
  } catch (error) {
    if (error === cyclic) return `G${new GraphWriter().write(value, 0)}`;
    encode(value, what); // throws with the path of what could not be hashed
    throw error;
  }
}

const cyclic = new Error("cyclic");

abstract class Writer {
  write(value: unknown, depth: number): string {
    return typeof value === "object" && value !== null ? this.object(value, depth) : scalar(value);
  }

  protected abstract object(value: object, depth: number): string;

  protected body(value: object, depth: number): string {
    if (depth > maxDepth) throw new Error("nested too deeply");
    const kind = kindOf(value);
    if (kind === "plain") return this.#plain(value, depth);
    if (kind === "array" && Array.isArray(value)) return this.#array(value, depth);
    if (kind === undefined) throw new Error(whyUnstorable(value));
    return this.#rich(value, depth);
  }

  #plain(value: object, depth: number): string {
    let out = "{";
    for (const key of sorted(Object.keys(value))) {
      out += text(key) + this.write(Reflect.get(value, key), depth + 1);
    }
    return `${out}}`;
  }

  #array(value: readonly unknown[], depth: number): string {
    let out = "[";
    for (let index = 0; index < value.length; index += 1) {
      const item = value[index];
      if (item === undefined && !Object.hasOwn(value, index)) return this.#sparse(value, depth);
      out += this.write(item, depth + 1);
    }
    return `${out}]`;
  }

  #sparse(value: readonly unknown[], depth: number): string {
    let out = `S${value.length};`;
    for (const key of Object.keys(value)) {
      out += text(key) + this.write(value[Number(key)], depth + 1);
    }
    return `${out}]`;
  }

  #rich(value: object, depth: number): string {
    if (isError(value)) return this.#error(value, depth);
    if (value instanceof Map) {
      return `M${this.#all([...value].flat(), depth)}`;
    }
    return value instanceof Set ? `E${this.#all([...value], depth)}` : leaf(value);
  }

  #error(value: Error, depth: number): string {
    const { name, message, cause, errors, fields } = errorParts(value);
    const inner = this.#all(cause, depth) + this.#all(errors ?? [], depth);
    return `X${text(name)}${text(message)}${inner}${this.#plain(fields, depth + 1)}`;
  }

  #all(values: readonly unknown[], depth: number): string {
    let out = "";
    for (const value of values) out += this.write(value, depth + 1);
    return `${out}]`;
  }
}

const longText = 4096;

/**
 * Writes values without cycles by content alone. A long form is replaced by its hash and remembered, so a value that
 * refers to the same object along a million paths is walked once.
 */
class TreeWriter extends Writer {
  readonly #ancestors: object[] = [];
  #long: Map<object, string> | undefined;

  protected override object(value: object, depth: number): string {
    const known = this.#long?.get(value);
    if (known !== undefined) return known;
    if (this.#ancestors.includes(value)) throw cyclic;
    this.#ancestors.push(value);
    const written = this.body(value, depth);
    this.#ancestors.pop();
    return written.length > longText ? this.#shorten(value, written) : written;
  }

  #shorten(value: object, written: string): string {
    const short = `H${sha256(written, "base64url")}`;
    this.#long ??= new Map();
    this.#long.set(value, short);
    return short;
  }
}

/** Writes values with cycles: an object met again is its number in the order of the walk. */
class GraphWriter extends Writer {
  readonly #numbers = new Map<object, number>();

  protected override object(value: object, depth: number): string {
    const number = this.#numbers.get(value);
    if (number !== undefined) return `^${number};`;
    this.#numbers.set(value, this.#numbers.size);
    return this.body(value, depth);
  }
}

function scalar(value: unknown): string {
  switch (typeof value) {
    case "string":
      return text(value);
    case "number":
      return Object.is(value, -0) ? "d-0;" : `d${value};`;
    case "boolean":
      return value ? "t" : "f";
    case "undefined":
      return "u";
    case "bigint":
      return `b${value};`;
    case "object":
      return "n";
    default:
      throw new Error(whyUnstorable(value));
  }
}

/** A string with its length before it. UTF-8 has no lone surrogates: text with some is escaped, under another tag. */
function text(value: string): string {
  return value.isWellFormed() ? `s${value.length}:${value}` : `w${JSON.stringify(value)}`;
}

function leaf(value: object): string {
  if (value instanceof Date) return `D${value.getTime()};`;
  if (value instanceof RegExp) return `R${text(value.source)}${text(value.flags)}`;
  if (value instanceof URL) return `L${text(value.href)}`;
  if (value instanceof URLSearchParams) return `Q${text(value.toString())}`;
  if (ArrayBuffer.isView(value)) {
    const name: string = Object.prototype.toString.call(value).slice(8, -1);
    return `V${name}${bytesToken(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))}`;
  }
  if (value instanceof ArrayBuffer) return `A${bytesToken(new Uint8Array(value))}`;
  throw new Error(whyUnstorable(value));
}

function bytesToken(content: Uint8Array): string {
  return `:${sha256(content, "base64url")}`;
}

/** Sorted by UTF-16 code units; often they are already, and looking is cheaper than sorting. */
function sorted(keys: readonly string[]): readonly string[] {
  for (let index = 1; index < keys.length; index += 1) {
    if (isBefore(keys[index], keys[index - 1])) return keys.toSorted();
  }
  return keys;
}

function isBefore(key: string | undefined, other: string | undefined): boolean {
  return key !== undefined && other !== undefined && key < other;
}
