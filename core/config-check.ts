import type { KitaruConfig } from "./config.ts";
import { KitaruUsageError } from "./errors.ts";

/** What each setting must be, in words and as a check. */
const settings: Readonly<
  Record<keyof KitaruConfig, readonly [form: string, isRight: (value: unknown) => boolean]>
> = {
  flows: [
    'a list of globs, such as ["./flows/*.ts"]',
    (value) => Array.isArray(value) && value.every((one) => typeof one === "string"),
  ],
  stacks: ["an object, such as { prod: aws({ … }) }", isObject],
  stack: ["the name of a stack", isText],
  models: ['an object, such as { fast: "openai/gpt-5-mini" }', isObject],
  defaultModel: ["an alias or provider/model", isText],
};

/** Refuse a config with settings that nobody reads or that cannot be what they are. `where` names it in the message. */
export function checkConfig(config: object, where: string): void {
  for (const [name, value] of Object.entries(config)) {
    if (!isSetting(name))
      throw new KitaruUsageError(
        `${where}: "${name}" is not a setting. Settings: ${Object.keys(settings).join(", ")}.`,
      );
    const [form, isRight] = settings[name];
    if (value !== undefined && !isRight(value))
      throw new KitaruUsageError(`${where}: \`${name}\` must be ${form}.`);
  }
  const { stacks = {} }: KitaruConfig = config;
  for (const [name, stack] of Object.entries(stacks)) {
    if (isStack(stack)) continue;
    throw new KitaruUsageError(
      `${where}: \`stacks.${name}\` is not a stack. Make one with local() of "kitaru/local", aws() of "kitaru/aws", gcp() of "kitaru/gcp" or azure() of "kitaru/azure".`,
    );
  }
}

/** Whether a value is a stack as `local()` and its like return it. */
export function isStack(value: unknown): boolean {
  return isObject(value) && "open" in value && typeof value.open === "function";
}

function isSetting(name: string): name is keyof KitaruConfig {
  return Object.hasOwn(settings, name);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
