import { type Encoded, decode, encode } from "../codec.ts";
import { type ValueRef, type ValueStore, isPlainScalar } from "../journal/values.ts";

/**
 * An argument as it was when the call was asked. The flow may change its objects afterwards, and the
 * checkpoint must not change the flow's: a re-run would see neither.
 */
export type Captured = { readonly kind: "scalar"; readonly value: unknown } | Encoded;

/** Capture a value; `what` names it in the error when it cannot be stored. */
export function capture(value: unknown, what: string): Captured {
  return isPlainScalar(value) ? { kind: "scalar", value } : encode(value, what);
}

/** A fresh copy of a captured value. */
export function release(captured: Captured): unknown {
  return captured.kind === "scalar" ? captured.value : decode(captured);
}

/** A ref to a captured value. */
export function refOf(values: ValueStore, captured: Captured): ValueRef | Promise<ValueRef> {
  return captured.kind === "scalar" ? { v: captured.value } : values.putEncoded(captured);
}

/** Refs to a call's arguments; asynchronous only when one of them is stored as a blob. */
export function refsOf(
  values: ValueStore,
  inputs: readonly Captured[],
): readonly ValueRef[] | Promise<readonly ValueRef[]> {
  const refs = inputs.map((input) => refOf(values, input));
  const isSync = (ref: ValueRef | Promise<ValueRef>): ref is ValueRef => !(ref instanceof Promise);
  return refs.every(isSync) ? refs : Promise.all(refs.map((ref) => Promise.resolve(ref)));
}
