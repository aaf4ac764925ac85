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
  const env = {
    ...process.env,
    CDK_OUTDIR: folder,
    CDK_CONTEXT_JSON: JSON.stringify({ name, region: "us-east-1" }),
    CDK_DEFAULT_ACCOUNT: "123456789012",
  };
  execFileSync(process.execPath, [app], { env, stdio: "pipe" });
  const file = join(folder, `kitaru-${name}.template.json`);
  return { file, text: readFileSync(file, "utf8"), folder };
}
