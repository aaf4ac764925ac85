import { KitaruStateError, KitaruUsageError } from "../../errors.ts";
import type { CallKind } from "../../journal/entry.ts";
import type { KnownCall } from "../../journal/state.ts";
import type { Registry } from "../definitions.ts";
import type { ReplaySource } from "./source.ts";

/** What a selector names: one call, or all calls of a kind and name. */
export interface Selected {
  /** Call id, or `kind.name`. */
  readonly target: string;
  readonly kind: CallKind;
  readonly name: string;
}

/** A selector by its parts. */
export interface Selector {
  readonly text: string;
  readonly kind: CallKind | undefined;
  readonly name: string;
  readonly id: string | undefined;
}

/** Most names that a message lists. */
const mostListed = 20;
const pattern = /^(?:(checkpoint|wait|llm|flow|sleep)\.)?([A-Za-z][A-Za-z0-9_-]{0,79})(:\d{1,9})?$/;

/** Finds the calls that the selectors of a replay name: in its source, and among what the program defines. */
export class Selectors {
  readonly #source: ReplaySource;
  readonly #registry: Registry;

  constructor(source: ReplaySource, registry: Registry) {
    this.#source = source;
    this.#registry = registry;
  }

  /** The id of the one call to start from. Throws a usage or a state error when there is not exactly one. */
  from(text: string): string {
    if (text.trim() === "")
      throw new KitaruUsageError(
        "`from` must be a non-empty selector: a call id such as research:0, or the name of a call.",
      );
    const { calls } = this.#source;
    if (calls.length === 0)
      throw new KitaruStateError(
        `Execution ${this.#source.id} has no calls, so there is nothing to replay from. Leave out \`from\`.`,
      );
    const selector = parse(text, "`from`");
    const [only, ...others] = calls.filter((call) => isMeant(selector, call));
    if (only === undefined)
      throw this.#unknown(selector, "replay selector", this.#insideHint(selector));
    if (others.length === 0) return only.id;
    const ids = listed([only, ...others].map((call) => call.id));
    throw new KitaruStateError(
      `Replay selector is ambiguous for ${wordOf(only.kind)} "${only.name}": execution ${this.#source.id} has ${ids}. Use a call id instead.`,
      { details: { calls: [only, ...others].map((call) => call.id) } },
    );
  }

  /** What an override or `skip` is meant for. Throws a usage or a state error when nothing is known of that name. */
  target(text: string, what: "override" | "skip"): Selected {
    const selector = parse(text, what === "override" ? "An override's target" : "`skip`");
    const kinds = this.#kindsOf(selector.name);
    const [only, ...others] =
      selector.kind === undefined ? kinds : kinds.filter((kind) => kind === selector.kind);
    if (only === undefined) throw this.#mismatch(selector, kinds, what);
    if (others.length > 0)
      throw new KitaruStateError(
        `"${text}" is ambiguous: it is the name of ${[only, ...others].map(article).join(" and of ")}. Write ${[only, ...others].map((kind) => `${kind}.${selector.name}`).join(" or ")}.`,
      );
    const known = selector.id === undefined ? undefined : this.#source.state.known.get(selector.id);
    const kind = known?.kind ?? only;
    return { target: selector.id ?? `${kind}.${selector.name}`, kind, name: selector.name };
  }

  /** Kinds of call a name stands for, in the source or in the program. */
  #kindsOf(name: string): CallKind[] {
    const { state, calls } = this.#source;
    const kinds = new Set(calls.filter((call) => call.name === name).map((call) => call.kind));
    for (const entries of state.llms.values())
      if (entries.some((entry) => entry.name === name)) kinds.add("llm");
    if (this.#registry.checkpoint(name) !== undefined) kinds.add("checkpoint");
    if (this.#registry.wait(name) !== undefined) kinds.add("wait");
    if (this.#registry.flow(name) !== undefined) kinds.add("flow");
    return [...kinds];
  }

  #mismatch(selector: Selector, kinds: readonly CallKind[], what: string): KitaruStateError {
    const [kind] = kinds;
    if (kind === undefined) return this.#unknown(selector, `${what} target`);
    return new KitaruStateError(
      `"${selector.text}" names ${article(selector.kind ?? kind)}, but "${selector.name}" is ${article(kind)}. Write ${kind}.${selector.name}.`,
    );
  }

  #unknown(selector: Selector, what: string, more = ""): KitaruStateError {
    const { calls } = this.#source;
    return new KitaruStateError(
      `Unknown ${what} "${selector.text}". Execution ${this.#source.id} has: ${this.#everything()}.${this.#siblingHint(selector)}${more}`,
      { code: "not_found", details: { calls: calls.map((call) => call.id) } },
    );
  }

  /** A number that was not reached. */
  #siblingHint({ name, id }: Selector): string {
    const siblings = this.#source.calls.filter((call) => call.name === name).map((call) => call.id);
    if (id === undefined || siblings.length === 0) return "";
    return ` Of that name there ${siblings.length === 1 ? "is" : "are"} ${listed(siblings)}; "${name}" alone means all of them.`;
  }

  /** A model call inside a checkpoint is no place to start from. */
  #insideHint({ name }: Selector): string {
    const inside = [...this.#source.state.llms].filter(([, entries]) =>
      entries.some((entry) => entry.name === name),
    );
    if (inside.length === 0) return "";
    return ` It is asked inside ${listed(inside.map(([id]) => id))}: replay from there.`;
  }

  /** Calls by name, and the model calls inside of checkpoints. */
  #everything(): string {
    const { calls, state } = this.#source;
    const names = Map.groupBy(calls, (call) => `${call.kind}.${call.name}`);
    const inside = new Map<string, Set<string>>();
    for (const [id, entries] of state.llms)
      for (const { name } of entries) {
        const key = `llm.${name}`;
        inside.set(key, (inside.get(key) ?? new Set()).add(id));
      }
    const lines = [
      ...[...names].map(
        ([name, of]) =>
          `${name} (${listed(
            of.map((call) => call.id),
            3,
          )})`,
      ),
      ...[...inside].map(([name, ids]) => `${name} (inside ${listed([...ids], 3)})`),
    ];
    return lines.length === 0 ? "no calls" : listed(lines);
  }
}

function parse(text: string, what: string): Selector {
  const selector = parseSelector(text);
  if (selector !== undefined) return selector;
  throw new KitaruUsageError(
    `${what} is a call id such as research:0, a name, or checkpoint.NAME, wait.NAME, llm.NAME, flow.NAME or sleep.NAME. Received: ${JSON.stringify(text)}.`,
  );
}

/** Take a selector apart; undefined when it is none. */
export function parseSelector(text: string): Selector | undefined {
  const found = pattern.exec(text);
  if (found === null) return undefined;
  const [, kind, name = "", index] = found;
  return {
    text,
    kind: kind as CallKind | undefined,
    name,
    id: index === undefined ? undefined : `${name}:${Number(index.slice(1))}`,
  };
}

function isMeant({ kind, name, id }: Selector, call: KnownCall): boolean {
  if (kind !== undefined && kind !== call.kind) return false;
  return id === undefined ? call.name === name : call.id === id;
}

function listed(items: readonly string[], most: number = mostListed): string {
  const shown = items.slice(0, most).join(", ");
  return items.length > most ? `${shown} and ${items.length - most} more` : shown;
}

/** A kind of call in a sentence. */
export function wordOf(kind: CallKind): string {
  return kind === "flow" ? "child flow" : kind === "llm" ? "llm call" : kind;
}

function article(kind: CallKind): string {
  return `${kind === "llm" ? "an" : "a"} ${wordOf(kind)}`;
}
