import type { Grant, Resource, Role } from "../../adapters/gcp/permissions.ts";
import type { Blocks, TerraformBlock } from "./terraform.ts";

type Account = Role | "scheduler";

/** Ends of the accounts' ids, which have at most 30 characters. */
const ends: Readonly<Record<Account, string>> = {
  advance: "adv",
  task: "tsk",
  sweep: "swp",
  api: "api",
  workflows: "wf",
  scheduler: "crn",
};

/** E-mail address of an account of a runtime: there is one for each role, and that of the scheduler. */
export function accountOf(name: string, project: string, account: Account): string {
  return `${accountId(name, ends[account])}@${project}.iam.gserviceaccount.com`;
}

function accountId(name: string, end: string): string {
  return `kitaru-${name}-${end}`;
}

/** The accounts of a runtime, and roles of its own that allow each what it calls, on what is the runtime's. */
export function grants(
  name: string,
  project: string,
  permissions: Readonly<Record<Role, readonly Grant[]>>,
): Blocks {
  const roles: Record<string, TerraformBlock> = {};
  const onProject: Record<string, TerraformBlock> = {};
  const onBucket: Record<string, TerraformBlock> = {};
  for (const [role, granted] of Object.entries(permissions))
    for (const { on, permissions: allowed } of granted) {
      const title = `${role}_${on}`;
      roles[title] = {
        role_id: `kitaru_${name.replaceAll("-", "_")}_${title}`,
        title: `kitaru ${name}: ${role} on ${on}`,
        permissions: allowed,
        depends_on: ["google_project_service.iam"],
      };
      const binding = {
        role: `\${google_project_iam_custom_role.${title}.id}`,
        member: `serviceAccount:\${google_service_account.${role}.email}`,
      };
      if (on === "objects")
        onBucket[title] = { ...binding, bucket: "${google_storage_bucket.data.name}" };
      else onProject[title] = { ...binding, project, ...conditionOf(name, project, on) };
    }
  return {
    google_service_account: Object.fromEntries(
      Object.entries(ends).map(([role, end]) => [
        role,
        { account_id: accountId(name, end), display_name: `kitaru ${name}: ${role}` },
      ]),
    ),
    google_project_iam_custom_role: roles,
    google_project_iam_member: onProject,
    google_storage_bucket_iam_member: onBucket,
  };
}

/** What a binding on the project is narrowed to. Workflows have no conditions on their names. */
function conditionOf(name: string, project: string, on: Resource): TerraformBlock {
  const only = (expression: string): TerraformBlock => ({
    condition: [{ title: `kitaru-${name}`, expression }],
  });
  switch (on) {
    case "database":
      return only(`resource.name == "projects/${project}/databases/kitaru-${name}"`);
    case "secrets":
      return only(
        `resource.name.startsWith("projects/\${data.google_project.this.number}/secrets/kitaru-${name}-")`,
      );
    case "objects":
    case "workflows":
      return {};
  }
}
