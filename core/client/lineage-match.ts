import { type Member, type ValueTree, isTelling } from "./value-tree.ts";

/** A value that came into being, and where. */
export interface Produced {
  /** Node that made it. */
  readonly node: string;
  /** Place in the journal. */
  readonly position: number;
  readonly tree: ValueTree;
}

/** A value something was given. */
export interface Consumed {
  /** Node it was given to. */
  readonly node: string;
  /** Place in the journal before which it had to be there. */
  readonly position: number;
  /** `argument 1`, `metadata`; empty for the only one. */
  readonly name: string;
  readonly tree: ValueTree;
}

/** A value, or a part of it, that was handed on. */
export interface Handed {
  readonly from: string;
  /** Path inside what was made; empty for the whole. */
  readonly part: string;
  readonly to: string;
  /** Name and path of what was given. */
  readonly as: string;
}

/** Most parts of one value that are looked at, the upper ones first. */
const mostParts = 1000;

/**
 * Find what was handed from where to where, by equality of values and their parts. Pure; `produced` is in the order
 * of the journal.
 *
 * The largest equal part counts: what is inside it came along with it. Of several origins it is the last that made
 * the value as a whole, as in a loop, else the first that had it inside: later ones carried it.
 */
export function matchValues(
  produced: readonly Produced[],
  consumed: readonly Consumed[],
): Handed[] {
  const origins = originsOf(produced);
  const handed: Handed[] = [];
  for (const { node, position, name, tree } of consumed)
    visitParts(tree, (path, part) => {
      const origin = originOf(origins.get(part.key), position);
      if (origin !== undefined)
        handed.push({ from: origin.node, part: origin.path, to: node, as: name + path });
      return origin === undefined;
    });
  return handed;
}

interface Origin {
  readonly node: string;
  readonly position: number;
  readonly path: string;
}

function originsOf(produced: readonly Produced[]): Map<string, Origin[]> {
  const origins = new Map<string, Origin[]>();
  for (const { node, position, tree } of produced)
    visitParts(tree, (path, part) => {
      const known = origins.get(part.key);
      if (!isTelling(part)) return false; // its members say less still
      if (known === undefined) origins.set(part.key, [{ node, position, path }]);
      else known.push({ node, position, path });
      return true;
    });
  return origins;
}

function originOf(origins: readonly Origin[] | undefined, before: number): Origin | undefined {
  const earlier = origins?.filter(({ position }) => position < before);
  return earlier?.findLast(({ path }) => path === "") ?? earlier?.[0];
}

/** Look at a value and its parts, level by level; at those inside a part only where `visit` says so. */
function visitParts(tree: ValueTree, visit: (path: string, part: ValueTree) => boolean): void {
  const queue: Member[] = [["", tree]];
  for (let next = 0; next < queue.length; next++) {
    const [path, part] = queue[next] as Member;
    if (!visit(path, part)) continue;
    for (const [step, member] of part.members.slice(0, mostParts - queue.length))
      queue.push([path + step, member]);
  }
}
