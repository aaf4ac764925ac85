import type { CompletedEntry } from "./entry.ts";
import type { ValueRef } from "./values.ts";

/** A checkpoint that completed at its first attempt: the entry that is written most, and that writes itself. */
export class PlainOutcome implements CompletedEntry {
  readonly t = "completed";
  readonly id: string;
  readonly kind = "checkpoint";
  /** Like every name, of letters, digits, `_` and `-` alone. */
  readonly name: string;
  readonly ask: number;
  /** A fingerprint, which needs no escapes. */
  readonly h: string;
  readonly in: readonly ValueRef[];
  readonly s: number;
  readonly out: ValueRef;
  readonly at: number;

  constructor(params: Omit<PlainOutcome, "t" | "kind" | "json">) {
    this.id = params.id;
    this.name = params.name;
    this.ask = params.ask;
    this.h = params.h;
    this.in = params.in;
    this.s = params.s;
    this.out = params.out;
    this.at = params.at;
  }

  /** What `JSON.stringify` makes of it, without a look at what is known. */
  json(): string {
    const { id, name, ask, h, s, at } = this;
    return (
      `{"t":"completed","id":"${id}","kind":"checkpoint","name":"${name}","ask":${ask},"h":"${h}",` +
      `"in":${refsJson(this.in)},"s":${s},"out":${refJson(this.out)},"at":${at}}`
    );
  }
}

function refsJson(refs: readonly ValueRef[]): string {
  let text = "[";
  for (let index = 0; index < refs.length; index += 1) {
    const ref = refs[index];
    if (ref !== undefined) text += index === 0 ? refJson(ref) : `,${refJson(ref)}`;
  }
  return `${text}]`;
}

function refJson(ref: ValueRef): string {
  return "v" in ref && typeof ref.v === "number" ? `{"v":${ref.v}}` : JSON.stringify(ref);
}
