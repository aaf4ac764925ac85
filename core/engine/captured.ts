import { type Encoded, decode, encode } from "../codec.ts";
import { type ValueRef, type ValueStore, isPlainScalar } from "../journal/values.ts";

/**
 * An argument as it was when the call was asked. The flow may change its objects afterwards, and the
 * checkpoint must not change the flow's: a re-run would see neither.
 */
export type Captured = Scalar | Encoded;

/** A value that is its own ref, as an entry holds it. */
interface Scalar {
  readonly v: string | number | boolean | null;
}

/** Capture a value; `what` names it in the error when it cannot be stored. */
export function capture(value: unknown, what: () => string): Captured {
  return isPlainScalar(value) ? { v: value } : encode(value, what());
}

/** A fresh copy of a captured value. */
export function release(captured: Captured): unknown {
  return isScalar(captured) ? captured.v : decode(captured);
}

/** A ref to a captured value. */
export function refOf(values: ValueStore, captured: Captured): ValueRef | Promise<ValueRef> {
  return isScalar(captured) ? captured : values.putEncoded(captured);
}

/** Refs to a call's arguments; asynchronous only when one of them is stored as a blob. */
export function refsOf(
  values: ValueStore,
  inputs: readonly Captured[],
): readonly ValueRef[] | Promise<readonly ValueRef[]> {
  if (inputs.every(isScalar)) return inputs;
  const refs = inputs.map((input) => refOf(values, input));
  const isSync = (ref: ValueRef | Promise<ValueRef>): ref is ValueRef => !(ref instanceof Promise);
  return refs.every(isSync) ? refs : Promise.all(refs.map((ref) => Promise.resolve(ref)));
}

function isScalar(captured: Captured): captured is Scalar {
  return "v" in captured;
}
