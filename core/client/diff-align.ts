import type { CallKind } from "../journal/entry.ts";

/** What two calls are told apart by. */
export interface AlignedBy {
  readonly id: string;
  readonly kind: CallKind;
  readonly name: string;
  /** Digest of what it was asked with. */
  readonly digest?: string;
  /** Id of the original whose outcome it took over. */
  readonly source?: string | undefined;
}

/**
 * Find for each call of `others` the call of `originals` it is the same as, if any: one of the same kind and name, as
 * in a replay. The one it took its outcome from comes first, then the one of the same id and input, then the same
 * input under another id (a loop that begins elsewhere), then the same id with another input. Each original is used
 * once. Pure.
 */
export function alignCalls<T extends AlignedBy>(
  originals: readonly T[],
  others: readonly T[],
): Map<T, T> {
  const pairs = new Map<T, T>();
  const free = new Set(originals);
  const byId = new Map(originals.map((call) => [call.id, call]));
  const pair = (other: T, original: T | undefined): void => {
    if (original === undefined || pairs.has(other) || !free.delete(original)) return;
    pairs.set(other, original);
  };
  const sameId = ({ id, kind }: T): T | undefined => {
    const found = byId.get(id);
    return found?.kind === kind ? found : undefined;
  };
  for (const other of others) if (other.source !== undefined) pair(other, byId.get(other.source));
  for (const other of others) {
    const found = sameId(other);
    if (found?.digest === other.digest) pair(other, found);
  }
  const byInput = Map.groupBy(
    [...free].filter(({ digest }) => digest !== undefined),
    inputKey,
  );
  for (const other of others)
    if (!pairs.has(other)) pair(other, byInput.get(inputKey(other))?.shift());
  for (const other of others) pair(other, sameId(other));
  return pairs;
}

function inputKey({ kind, name, digest }: AlignedBy): string {
  return `${kind} ${name} ${digest}`;
}

/** A row of a table of calls: what the original has, and what each of the others has. */
export interface AlignedRow<T> {
  readonly original?: T;
  readonly others: (T | undefined)[];
}

/** Put the calls of several executions side by side: the original's in order, those only others have in between. */
export function alignRows<T extends AlignedBy>(
  originals: readonly T[],
  others: readonly (readonly T[])[],
): AlignedRow<T>[] {
  const none = (): undefined[] => others.map(() => undefined);
  let rows = originals.map((original): AlignedRow<T> => ({ original, others: none() }));
  for (const [column, calls] of others.entries()) {
    const pairs = alignCalls(originals, calls);
    const rowOf = new Map(rows.map((row) => [row.original ?? keyOf(row), row]));
    const added = new Map<AlignedRow<T> | undefined, AlignedRow<T>[]>();
    let last: AlignedRow<T> | undefined;
    for (const call of calls) {
      let row = rowOf.get(pairs.get(call) ?? onlyKey(call));
      if (row === undefined) {
        row = { others: none() };
        push(added, last, row);
      } else last = row;
      row.others[column] = call;
    }
    rows = [undefined, ...rows].flatMap((row) => [
      ...(row === undefined ? [] : [row]),
      ...(added.get(row) ?? []),
    ]);
  }
  return rows;
}

function keyOf<T extends AlignedBy>({ others }: AlignedRow<T>): string {
  const call = others.find((one) => one !== undefined);
  return call === undefined ? "" : onlyKey(call);
}

function onlyKey({ id, kind }: AlignedBy): string {
  return `${kind} ${id}`;
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
