import { KitaruStateError } from "../../errors.ts";

/**
 * The input of a replay: fields that are given take the place of recorded ones; an input that is no object is replaced
 * as a whole. Throws a state error when there is nothing that fields could be laid over.
 */
export function overlay(recorded: unknown, given: unknown, executionId: string): unknown {
  if (!isFields(given)) return given;
  if (isFields(recorded)) return { ...recorded, ...given };
  if (recorded === undefined || recorded === null) return given;
  throw new KitaruStateError(
    `The input of execution ${executionId} must be an object of fields for fields to be laid over it; it is ${describe(recorded)}. Give a whole input of that kind, or start a new execution.`,
  );
}

function isFields(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return `a ${value.constructor.name}`;
  return typeof value === "string" ? "text" : `a ${typeof value}`;
}
