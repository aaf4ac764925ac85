import { digest, sha256Hex } from "../hash.ts";
import { utf8Length } from "../journal/values.ts";
import { kindOf } from "../storable.ts";

/** A value as something that can be recognised elsewhere, whole or in parts. */
export interface ValueTree {
  /** The same for equal values, however they are built, and for no others. */
  readonly key: string;
  /** How much the value says: bytes of text, significant digits; nothing for booleans, `null` and names of fields. */
  readonly weight: number;
  readonly members: readonly Member[];
}

/** A member of a value, with its step in a path: `.topic`, `[0]`. */
export type Member = readonly [step: string, tree: ValueTree];

/** Weight from which two equal values are taken to be the same one, and not alike by chance. */
const tellingWeight = 5;

/** Whether a value says enough to be recognised. */
export function isTelling({ weight }: ValueTree): boolean {
  return weight >= tellingWeight;
}

/** The tree of a value that has been stored, so of one that can be hashed. */
export function valueTree(value: unknown): ValueTree {
  return new TreeMaker().make(value);
}

/** The tree of a text with this SHA-256, whatever its size. */
export function textTree(sha256: string, bytes: number): ValueTree {
  return leaf(`text:${sha256}`, bytes);
}

/** The tree of bytes with this SHA-256, whatever their number. */
export function bytesTree(sha256: string, bytes: number): ValueTree {
  return leaf(`bytes:${sha256}`, bytes);
}

/** The tree of a stored value that can be recognised as a whole only. */
export function opaqueTree(sha256: string, bytes: number): ValueTree {
  return leaf(`blob:${sha256}`, bytes);
}

/** A text up to this long is its own key. */
const shortText = 64;
/** Weight of dates, addresses and other values that are hardly alike by chance. */
const leafWeight = 8;

class TreeMaker {
  readonly #above: object[] = [];
  readonly #made = new Map<object, ValueTree>();

  make(value: unknown): ValueTree {
    switch (typeof value) {
      case "string":
        return textLeaf(value);
      case "number":
      case "bigint":
        return leaf(`${typeof value}:${Object.is(value, -0) ? "-0" : value}`, digitsOf(value));
      case "object":
        return value === null ? leaf("null", 0) : this.#object(value);
      default:
        return leaf(String(value), 0);
    }
  }

  #object(value: object): ValueTree {
    const known = this.#made.get(value);
    if (known !== undefined) return known;
    const depth = this.#above.lastIndexOf(value);
    if (depth !== -1) return leaf(`above:${this.#above.length - depth}`, 0);
    this.#above.push(value);
    const made = this.#read(value);
    this.#above.pop();
    this.#made.set(value, made);
    return made;
  }

  #read(value: object): ValueTree {
    if (Array.isArray(value)) return this.#items("array", value);
    if (value instanceof Set) return this.#items("set", [...value]);
    if (value instanceof Map) return this.#map(value);
    if (value instanceof Uint8Array) return bytesTree(sha256Hex(value), value.byteLength);
    if (kindOf(value) !== "plain") return leaf(`other:${digest(value)}`, leafWeight);
    const keys = Object.keys(value).toSorted();
    return container(
      "plain",
      keys.map((key) => [stepOf(key), this.make(Reflect.get(value, key))]),
    );
  }

  #items(kind: string, items: readonly unknown[]): ValueTree {
    const members = Array.from(items, (item, index): Member => [`[${index}]`, this.make(item)]);
    return container(kind, members);
  }

  #map(map: ReadonlyMap<unknown, unknown>): ValueTree {
    const entries = [...map].map(([key, value]) => [this.make(key), this.make(value)] as const);
    const { key, weight } = container(
      "map",
      entries.flatMap(([name, value]): Member[] => [
        ["", name],
        ["", value],
      ]),
    );
    return { key, weight, members: entries.map(([name, value]) => [`[${nameOf(name)}]`, value]) };
  }
}

function leaf(key: string, weight: number): ValueTree {
  return { key, weight, members: [] };
}

function container(kind: string, members: readonly Member[]): ValueTree {
  const weight = members.reduce((sum, [, member]) => sum + member.weight, 0);
  const content = members.map(([step, { key }]) => [step, key]);
  return { key: `${kind}:${sha256Hex(JSON.stringify(content))}`, weight, members };
}

function textLeaf(text: string): ValueTree {
  if (text.length <= shortText) return leaf(`short:${text}`, utf8Length(text));
  return text.isWellFormed()
    ? textTree(sha256Hex(text), utf8Length(text))
    : leaf(`other:${digest(text)}`, text.length);
}

/** Significant decimal digits: those of 1200, 0.012 and 1.2 are two. */
function digitsOf(value: number | bigint): number {
  const [mantissa = ""] = String(value).split("e");
  return mantissa.replaceAll(/^[-0.]+|\D|0+$/g, "").length;
}

function stepOf(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function nameOf({ key }: ValueTree): string {
  return key.startsWith("short:") ? JSON.stringify(key.slice("short:".length)) : key;
}
