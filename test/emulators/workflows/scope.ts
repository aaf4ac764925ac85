import { type Value, type ValueMap, isMap, tagged, textOf } from "./value.ts";

/** Variables where a step runs: those of the routine, and within it those of its loops and branches. */
export class Scope {
  readonly #variables = new Map<string, Value>();
  readonly #outer: Scope | undefined;
  /** Variables of outer scopes that may be written here; absent: all of them. */
  readonly #shared: ReadonlySet<string> | undefined;

  constructor(outer?: Scope, shared?: ReadonlySet<string>) {
    this.#outer = outer;
    this.#shared = shared;
  }

  /** Value of a variable; undefined when there is none. */
  get(name: string): Value | undefined {
    const own = this.#variables.get(name);
    return own === undefined ? this.#outer?.get(name) : own;
  }

  /** Make a variable of this very scope. */
  define(name: string, value: Value): void {
    this.#variables.set(name, value);
  }

  /** Assign to `name`, `name.key` or `name[index]`; a name nobody knows becomes a variable here. */
  set(target: string, value: Value, index: (text: string) => Value): void {
    const [, name = "", rest = ""] = /^(\w+)(.*)$/.exec(target) ?? [];
    if (rest === "") return this.#assign(name, value);
    const keys = [...rest.matchAll(/\.(\w+)|\[([^\]]*)\]/g)].map(([, key, at]) =>
      key === undefined ? index(at ?? "") : key,
    );
    this.#assign(name, replaced(this.get(name) ?? null, keys, value));
  }

  /** Bytes of all variables as JSON. */
  bytes(): number {
    let sum = this.#outer?.bytes() ?? 0;
    for (const [name, value] of this.#variables)
      sum += name.length + Buffer.byteLength(JSON.stringify(value) ?? "");
    return sum;
  }

  #assign(name: string, value: Value): void {
    if (this.#variables.has(name) || this.#outer?.get(name) === undefined)
      this.#variables.set(name, value);
    else if (this.#shared === undefined || this.#shared.has(name)) this.#outer.#assign(name, value);
    else throw tagged("TypeError", `${name} is assigned in a parallel step that does not share it`);
  }
}

function replaced(of: Value, [key, ...rest]: readonly Value[], value: Value): Value {
  if (key === undefined) return value;
  if (Array.isArray(of)) {
    const at = Number(key);
    if (!(at >= 0 && at < of.length)) throw tagged("IndexError", `index ${at} out of range`);
    return of.map((item: Value, i) => (i === at ? replaced(item, rest, value) : item));
  }
  const map: ValueMap = isMap(of) ? { ...of } : {};
  const name = textOf(key);
  map[name] = replaced(map[name] ?? {}, rest, value);
  return map;
}
