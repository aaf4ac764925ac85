import { createHash } from "node:crypto";

/**
 * Keys of a table hold no `/`, `\`, `#`, `?` and no control character, and are told apart and ordered by their UTF-16 units
 * (https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model). Each byte of the UTF-8
 * text becomes a few ASCII characters that sort as the byte does, so ranges of keys stay ranges:
 *
 * - most of ASCII stands for itself; `.` is `.-` and `/` is `..`, so `j/000001` reads `j..000001`;
 * - `?`, `\` and what stands before them share a first character with it: `>0` `>1`, `[0` `[1`;
 * - what is lower than `-` is `$` and two hex digits, what is higher than `}` is `~` and two hex digits.
 *
 * `!` sorts before all of these, so it ends a part of a key.
 */
export function encodeKey(text: string): string {
  let encoded = "";
  for (const byte of Buffer.from(text)) encoded += codes[byte] ?? "";
  return encoded;
}

/** Ends one part of a key; lower than everything an encoded text holds. */
export const partEnd = "!";

/** A key whose order does not matter: one that is too long for the table is told apart by a hash. */
export function encodePartition(text: string): string {
  const encoded = encodeKey(text);
  if (encoded.length <= longestKey) return encoded;
  const hash = createHash("sha256").update(text).digest("hex");
  return `${encoded.slice(0, longestKey - hash.length - 1)}${partEnd}${hash}`;
}

/** The text of a key of {@link encodeKey}. */
export function decodeKey(key: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < key.length;) {
    const length = lengthOf(key[at] ?? "");
    const byte = bytesByCode.get(key.slice(at, at + length));
    if (byte === undefined) throw new TypeError(`"${key}" is not a key of this package`);
    bytes.push(byte);
    at += length;
  }
  return Buffer.from(bytes).toString();
}

/** Like {@link encodeKey}, with the order turned round: what comes last comes first. Of no use but to be ordered by. */
export function encodeDescending(text: string): string {
  let encoded = "";
  for (const byte of Buffer.from(text)) encoded += descending[byte] ?? "";
  return encoded + descendingEnd; // of two texts, the one that goes on comes first
}

/** A key has at most 1 KiB, which is 512 units of UTF-16; room is left for what else stands in one. */
const longestKey = 400;

const codes: readonly string[] = Array.from({ length: 256 }, (_, byte) => codeOf(byte));
const bytesByCode: ReadonlyMap<string, number> = new Map(codes.map((code, byte) => [code, byte]));

/** What ids and times are made of has a character of its own; bytes between two of these share one and have two hex digits more. */
const single = /[\w.:/@-]/;
const slots = "$%&()*+,-.0123456789:;<=>@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz";
const [descending, descendingEnd] = descendingCodes();

function descendingCodes(): readonly [codes: readonly string[], end: string] {
  const found: string[] = [];
  let slot = -1;
  let isShared = false;
  for (let byte = 255; byte >= 0; byte--) {
    const isSingle = byte < 128 && single.test(String.fromCodePoint(byte));
    if (isSingle || !isShared) slot += 1;
    isShared = !isSingle;
    found[byte] = (slots[slot] ?? "") + (isSingle ? "" : hex(255 - byte));
  }
  return [found, slots[slot + 1] ?? ""];
}

function codeOf(byte: number): string {
  const char = String.fromCodePoint(byte);
  if (byte < 0x2d) return `$${hex(byte)}`;
  if (byte > 0x7d) return `~${hex(byte)}`;
  switch (char) {
    case ".":
      return ".-";
    case "/":
      return "..";
    case ">":
      return ">0";
    case "?":
      return ">1";
    case "[":
      return "[0";
    case "\\":
      return "[1";
    default:
      return char;
  }
}

function lengthOf(first: string): number {
  if (first === "$" || first === "~") return 3;
  return first === "." || first === ">" || first === "[" ? 2 : 1;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
