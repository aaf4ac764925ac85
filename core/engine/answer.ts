import { digest } from "../hash.ts";
import type { AnswerItem } from "../journal/inbox.ts";
import { undefinedRef } from "../journal/values.ts";
import { type MaybePromise, type Validation, validate } from "../schema.ts";
import type { EngineContext } from "./context.ts";
import type { WaitDefinition } from "./definitions.ts";

/** The part of an answer that says what was answered. */
export type AnswerFields = Pick<AnswerItem, "value" | "vh" | "gh">;

/** Digest of the answer of a gate and of an expired wait. */
export function undefinedDigest(): string {
  return (knownUndefined ??= digest(undefined));
}

let knownUndefined: string | undefined;

/** Check an answer against its wait, and make of it what the schema does. */
export function checkAnswer(
  wait: WaitDefinition,
  value: unknown,
): MaybePromise<Validation<unknown>> {
  return wait.schema === undefined ? gateAnswer(value) : validate(wait.schema, value);
}

/** A wait without a schema takes no value: `true` and nothing at all mean continue. */
export function gateAnswer(value: unknown): Validation<undefined> {
  return value === undefined || value === null || value === true
    ? { ok: true, value: undefined }
    : {
        ok: false,
        issues: "this wait only asks to continue; answer it without a value, or abort it",
      };
}

/** Store an answer; `given` is what it was before its schema made `value` of it. */
export async function answerFields(
  context: EngineContext,
  callId: string,
  value: unknown,
  given: unknown = value,
): Promise<AnswerFields> {
  if (value === undefined && given === undefined)
    return { value: undefinedRef, vh: undefinedDigest() };
  const vh = digest(value);
  const gh = given === value ? vh : digest(given);
  return {
    value: await context.values.put(value, `the answer to ${callId}`),
    vh,
    ...(gh === vh ? {} : { gh }),
  };
}

/** Whether two answers are the same, either as given or as their schema read them. */
export function isSameAnswer(
  one: Partial<Pick<AnswerItem, "vh" | "gh">>,
  other: Pick<AnswerItem, "vh" | "gh">,
): boolean {
  if (one.vh === undefined) return false;
  return one.vh === other.vh || (one.gh ?? one.vh) === (other.gh ?? other.vh);
}
