import { type Command, InvalidArgumentError, Option } from "commander";

/** `--stack NAME`. */
export function stackOption(): Option {
  return new Option("--stack <name>", "stack to use instead of the active one");
}

/** `--version N`, of a deployed flow. */
export function versionOption(description: string): Option {
  return new Option("--version <number>", description).argParser(
    wholeNumber(1, Number.MAX_SAFE_INTEGER),
  );
}

/** Refuse every option that is given twice with a value and takes one only: which is meant cannot be known. */
export function takeOnce(command: Command): void {
  for (const option of command.options) {
    if (!option.required || option.variadic || option.parseArg === several) continue;
    let isGiven = false;
    command.on(`option:${option.name()}`, () => {
      if (isGiven) command.error(`error: ${option.long} is given twice; give it once.`);
      isGiven = true;
    });
  }
}

/** Collect an option that may be given several times. */
export function several(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** The name of a flow. */
export function flowName(text: string): string {
  if (/^[A-Za-z][A-Za-z0-9_-]{0,79}$/.test(text)) return text;
  throw new InvalidArgumentError(
    'The name of a flow starts with a letter and has at most 80 letters, digits, "_" and "-".',
  );
}

/** A whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}
