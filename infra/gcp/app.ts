import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeRuntime } from "./write.ts";

// Writes the Terraform of a runtime: `node node_modules/kitaru/dist/infra/gcp/app.js --name agents --project my-project
// --region europe-west4 --out kitaru-gcp`, and then `terraform init` and `terraform apply` in that folder.

const [, program = ""] = process.argv;
if (program !== "" && realpathSync(program) === fileURLToPath(import.meta.url)) main();

function main(): void {
  const { values } = parseArgs({
    options: {
      name: { type: "string", default: process.env["KITARU_GCP_NAME"] ?? "agents" },
      project: { type: "string", default: process.env["GOOGLE_CLOUD_PROJECT"] ?? "" },
      region: { type: "string", default: process.env["GOOGLE_CLOUD_REGION"] ?? "" },
      "detach-seconds": { type: "string" },
      "retention-days": { type: "string" },
      "api-caller": { type: "string", multiple: true },
      out: { type: "string", default: "kitaru-gcp" },
    },
  });
  const { name, project, region, out } = values;
  const { "detach-seconds": detach, "retention-days": retention } = values;
  writeRuntime(out, {
    name,
    project,
    region,
    apiCallers: values["api-caller"] ?? [],
    ...(detach === undefined ? {} : { detachSeconds: Number(detach) }),
    ...(retention === undefined ? {} : { retentionDays: Number(retention) }),
  });
  process.stdout.write(`It is written. Next: cd ${out} && terraform init && terraform apply\n`);
}
