import type manifest from "../../package.json";
import { aws } from "../../adapters/aws/index.ts";
import { azure } from "../../adapters/azure/index.ts";
import { gcp } from "../../adapters/gcp/index.ts";
import { local } from "../../adapters/local/index.ts";
import type { StackDefinition } from "../../core/config.ts";
import { noCloud as noAws, startCloud as startAws } from "../aws/cloud.ts";
import { noCloud as noAzure, startCloud as startAzure } from "../azure/cloud.ts";
import { noCloud as noGcp, startCloud as startGcp } from "../gcp/cloud.ts";

/** Clouds of this package: for each it exports what the cloud's functions run. */
export type CloudName = HandlerOf<keyof typeof manifest.exports>;

/** Stacks of this package. */
export type StackName = "local" | CloudName;

type HandlerOf<Export extends string> = Export extends `./${infer Name}/handler` ? Name : never;

/** A stack as tests open it. */
export interface StackUnderTest {
  /** Why it cannot be opened here; undefined when it can. */
  readonly missing: string | undefined;
  /** What a config says to have it, once it has been started. */
  readonly written: string;
  /** Start what stands in for its cloud. */
  start(): Promise<StartedStack>;
}

/** A stack that can be opened. */
export interface StartedStack {
  readonly definition: StackDefinition;
  close(): Promise<void>;
}

/** Every stack of the package. */
export const stacks: Readonly<Record<StackName, StackUnderTest>> = {
  local: {
    missing: undefined,
    written: "local()",
    start: async () => ({ definition: local(), close: async () => undefined }),
  },
  aws: {
    missing: noAws,
    written: 'aws({ name: "agents" })',
    start: async () => {
      const { name, env, close } = await startAws();
      Object.assign(process.env, env);
      return { definition: aws({ name }), close };
    },
  },
  azure: {
    missing: noAzure,
    written: 'azure({ name: "agents", connectionString: process.env.AZURE_STORAGE ?? "" })',
    start: async () => {
      const { name, connectionString, close } = await startAzure();
      process.env["AZURE_STORAGE"] = connectionString;
      return { definition: azure({ name, connectionString }), close };
    },
  },
  gcp: {
    missing: noGcp,
    written: 'gcp({ name: "agents", project: "agents-project", region: "europe-west4" })',
    start: async () => {
      const { options, env, close } = await startGcp();
      Object.assign(process.env, env);
      return { definition: gcp(options), close };
    },
  },
};

/** Names of every stack of the package, the local one first. */
export const stackNames = Object.keys(stacks) as readonly StackName[];

/** Stacks by name: those that are here, and why the others are not. */
export function present<Name extends string>(
  all: Readonly<Record<Name, Pick<StackUnderTest, "missing">>>,
): { readonly here: readonly Name[]; readonly words: string } {
  const names = Object.keys(all) as Name[];
  const missing = names.filter((name) => all[name].missing !== undefined);
  const here = names.filter((name) => all[name].missing === undefined);
  const reasons = missing.map((name) => `without ${name}: ${all[name].missing}`);
  return { here, words: [here.join(", "), ...reasons].join("; ") };
}

/** Start stacks at once; closes all when one cannot be started. */
export async function startAll<Name extends string, Started extends StartedStack>(
  names: readonly Name[],
  start: (name: Name) => Promise<Started>,
): Promise<StartedStacks<Name, Started>> {
  const starts = await Promise.allSettled(names.map(start));
  const started = starts.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const close = async (): Promise<void> => {
    await Promise.all(started.map((one) => one.close()));
  };
  const failed = starts.find((one) => one.status === "rejected");
  if (failed !== undefined) {
    await close();
    throw failed.reason;
  }
  const named = names.map((name, at) => [name, started[at]]);
  const definitions = names.map((name, at) => [name, started[at]?.definition]);
  return {
    started: Object.fromEntries(named) as Record<Name, Started>,
    definitions: Object.fromEntries(definitions) as Record<Name, StackDefinition>,
    close,
  };
}

/** Stacks that can be opened, by name. */
interface StartedStacks<Name extends string, Started> {
  readonly started: Readonly<Record<Name, Started>>;
  /** As a config has them. */
  readonly definitions: Readonly<Record<Name, StackDefinition>>;
  close(): Promise<void>;
}
