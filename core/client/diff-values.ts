import { digest } from "../hash.ts";
import { type StoredError, sameError } from "../journal/stored-error.ts";
import { type ValueRef, type ValueStore, isBlobRef } from "../journal/values.ts";
import type { Difference, DiffedValue } from "./diff.ts";
import type { ErrorView } from "./execution.ts";
import { errorInfo } from "./call-view.ts";
import type { CallLineage, NamedRef } from "./lineage-facts.ts";
import { present } from "./values.ts";

/** What went into and came out of a call or an execution. */
export type Exchange = Pick<CallLineage, "inputs" | "output" | "error">;

/** Blobs up to this many bytes are read to see whether they differ in the order of keys alone. */
const comparedBytes = 1024 * 1024;

/**
 * In what two outcomes of one kind differ; a value and a failure differ in status, and are not compared. Reads a value
 * only where its stored forms differ and may mean the same.
 */
export async function compareOutcomes(
  values: ValueStore,
  a: Exchange,
  b: Exchange,
): Promise<Difference[]> {
  if (a.error !== undefined && b.error !== undefined)
    return sameError(a.error, b.error) ? [] : ["error"];
  if (a.output === undefined || b.output === undefined) return [];
  return (await sameRefs(values, a.output, b.output)) ? [] : ["output"];
}

/** Whether two stored values are equal. */
export async function sameRefs(
  values: ValueStore,
  a: ValueRef | undefined,
  b: ValueRef | undefined,
): Promise<boolean> {
  if (a === undefined || b === undefined) return a === b;
  if (JSON.stringify(a) === JSON.stringify(b)) return true;
  if (isBlobRef(a) !== isBlobRef(b)) return false;
  if (isBlobRef(a) && isBlobRef(b)) {
    const isKeyed = a.k === b.k && (a.k === "json" || a.k === "rich");
    if (!isKeyed || a.n !== b.n || a.n > comparedBytes) return false;
  }
  return digest(await values.get(a)) === digest(await values.get(b));
}

/** Read what differs. A large or damaged value is stood in for. */
export async function differingValues(
  values: ValueStore,
  a: Exchange,
  b: Exchange,
  differences: readonly Difference[],
): Promise<DiffedValue[]> {
  const shown: DiffedValue[] = [];
  const hasOther = (difference: Difference): boolean =>
    differences.includes(difference) || differences.includes("status");
  if (differences.includes("input"))
    for (const name of namesOf(a.inputs, b.inputs)) {
      const [original, other] = [refOf(a.inputs, name), refOf(b.inputs, name)];
      if (!(await sameRefs(values, original, other)))
        shown.push(await valueOf(values, name, original, other));
    }
  if (hasOther("output") && (a.output ?? b.output) !== undefined)
    shown.push(await valueOf(values, "output", a.output, b.output));
  if (hasOther("error") && (a.error ?? b.error) !== undefined)
    shown.push({
      name: "error",
      ...(a.error === undefined ? {} : { original: errorOf(a.error) }),
      ...(b.error === undefined ? {} : { other: errorOf(b.error) }),
    });
  return shown;
}

/** Stacks do not count, and would hide what does. */
function errorOf(stored: StoredError): ErrorView {
  const { stack: _stack, cause: _cause, ...error } = errorInfo(stored);
  return stored.cause === undefined ? error : { ...error, cause: errorOf(stored.cause) };
}

function namesOf(a: readonly NamedRef[], b: readonly NamedRef[]): string[] {
  return [...new Set([...a, ...b].map(({ name }) => name))];
}

function refOf(inputs: readonly NamedRef[], name: string): ValueRef | undefined {
  return inputs.find((input) => input.name === name)?.ref;
}

async function valueOf(
  values: ValueStore,
  name: string,
  original: ValueRef | undefined,
  other: ValueRef | undefined,
): Promise<DiffedValue> {
  return {
    name,
    ...(original === undefined ? {} : { original: await present(values, original) }),
    ...(other === undefined ? {} : { other: await present(values, other) }),
  };
}
