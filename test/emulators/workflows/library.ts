import { randomUUID } from "node:crypto";
import { type Value, isMap, tagged, typeName, textOf } from "./value.ts";

type Call = (args: readonly Value[], env: Readonly<Record<string, string>>) => Value;

/** Functions of the standard library that take no time; those the emitted workflows use, and their neighbours. */
type Functions = Readonly<Record<string, Call>>;

export const functions: Functions = {
  "sys.now": () => Date.now() / 1000,
  "sys.get_env": ([name, fallback], env) => {
    const value = env[text(name)];
    if (value !== undefined) return value;
    if (fallback !== undefined) return fallback;
    throw tagged("KeyError", `no environment variable ${text(name)}`);
  },
  "sys.log": () => null,
  "json.encode_to_string": ([value]) => JSON.stringify(value ?? null),
  "json.decode": ([value]) => {
    try {
      return JSON.parse(text(value)) as Value;
    } catch {
      throw tagged("ValueError", "invalid JSON");
    }
  },
  "text.to_lower": ([value]) => text(value).toLowerCase(),
  "text.to_upper": ([value]) => text(value).toUpperCase(),
  "text.split": ([value, by]) => text(value).split(text(by)),
  "text.substring": ([value, from, to]) => text(value).slice(Number(from), Number(to)),
  "map.get": ([map, key]) => {
    const keys = Array.isArray(key) ? (key as readonly Value[]) : [key ?? null];
    return keys.reduce<Value>(
      (of, one) => (isMap(of) && Object.hasOwn(of, text(one)) ? (of[text(one)] ?? null) : null),
      map ?? null,
    );
  },
  "map.merge": ([first, second]) => ({ ...(first as object), ...(second as object) }),
  "list.concat": ([list, item]) => [...(list as readonly Value[]), item ?? null],
  "math.min": ([a, b]) => Math.min(Number(a), Number(b)),
  "math.max": ([a, b]) => Math.max(Number(a), Number(b)),
  "math.floor": ([a]) => Math.floor(Number(a)),
  "math.abs": ([a]) => Math.abs(Number(a)),
  "uuid.generate": () => randomUUID(),
  default: ([value, fallback]) => (value === null ? (fallback ?? null) : (value ?? null)),
  if: ([condition, yes, no]) => (condition === true ? (yes ?? null) : (no ?? null)),
  keys: ([map]) => Object.keys(map as object),
  len: ([value]) => {
    if (typeof value === "string" || Array.isArray(value)) return value.length;
    return isMap(value) ? Object.keys(value).length : 0;
  },
  string: ([value]) => (typeof value === "string" ? value : JSON.stringify(value ?? null)),
  int: ([value]) => {
    const number = Math.trunc(Number(value));
    if (Number.isNaN(number)) throw tagged("ValueError", `${textOf(value)} is no integer`);
    return number;
  },
};

function text(value: Value | undefined): string {
  if (typeof value === "string") return value;
  throw tagged("TypeError", `expected a string, not ${typeName(value ?? null)}`);
}
