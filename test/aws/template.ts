import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A synthesized CDK app: its template, and the folder of what it uploads. */
export interface Synthesized {
  readonly file: string;
  readonly text: string;
  readonly folder: string;
}

/** Run `infra/aws/app.ts` as `cdk deploy` does. */
export function synthesizeApp(folder: string, name: string): Synthesized {
  const app = fileURLToPath(new URL("../../infra/aws/app.ts", import.meta.url));
  return synthesize({
    app,
    folder,
    stack: `kitaru-${name}`,
    context: { name, region: "us-east-1" },
  });
}

interface SynthesizeParams {
  /** File of the CDK app. */
  readonly app: string;
  /** Where it writes to. */
  readonly folder: string;
  readonly stack: string;
  readonly context?: Readonly<Record<string, string>>;
}

/** Run a CDK app as `cdk deploy` does. */
export function synthesize({ app, folder, stack, context = {} }: SynthesizeParams): Synthesized {
  const env = {
    ...process.env,
    CDK_OUTDIR: folder,
    CDK_CONTEXT_JSON: JSON.stringify(context),
    CDK_DEFAULT_ACCOUNT: "123456789012",
    CDK_DEFAULT_REGION: "us-east-1",
  };
  const fromSource = new URL("../from-source.ts", import.meta.url).href;
  execFileSync(process.execPath, ["--import", fromSource, app], { env, stdio: "pipe" });
  const file = join(folder, `${stack}.template.json`);
  return { file, text: readFileSync(file, "utf8"), folder };
}
