import { CommanderError } from "commander";
import { isKitaruError, messageOf } from "../core/errors.ts";

/** An error as it is shown. */
export interface Failure {
  readonly code: string;
  readonly message: string;
}

/** What a command did is right, what it found is not: shown under a code of its own. */
export class CommandError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Code and message of whatever a command threw. */
export function describeFailure(error: unknown): Failure {
  if (isKitaruError(error) || error instanceof CommandError)
    return { code: error.code, message: error.message };
  if (error instanceof CommanderError) return { code: "usage", message: usageMessage(error) };
  return { code: systemCode(error) ?? "internal", message: internalMessage(error) };
}

function usageMessage({ message }: CommanderError): string {
  const text = message.replace(/^error: /, "").replaceAll("\n", " ");
  return /[.?)]$/.test(text) ? text : `${text}.`;
}

function systemCode(error: unknown): string | undefined {
  const isSystem = error instanceof Error && "syscall" in error;
  return isSystem ? "backend" : undefined;
}

function internalMessage(error: unknown): string {
  return `${messageOf(error)} (KITARU_DEBUG=1 shows where this comes from.)`;
}
