import { InvalidArgumentError, Option } from "commander";

/** `--stack NAME`. */
export function stackOption(): Option {
  return new Option("--stack <name>", "stack to use instead of the active one").argParser(
    once("--stack"),
  );
}

/** `--version N`, of a deployed flow. */
export function versionOption(description: string): Option {
  return new Option("--version <number>", description).argParser(
    wholeNumber(1, Number.MAX_SAFE_INTEGER),
  );
}

/** Refuse an option that is given twice: which one is meant cannot be known. */
export function once(name: string): (value: string, before: string | undefined) => string {
  return (value, before) => {
    if (before !== undefined)
      throw new InvalidArgumentError(`${name} is given twice; give it once.`);
    return value;
  };
}

/** Collect an option that may be given several times. */
export function several(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** A whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}
