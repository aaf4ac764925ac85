import { type ManagedPolicy, PolicyStatement, type Role } from "aws-cdk-lib/aws-iam";
import type { Grant, Resource } from "../../adapters/aws/permissions.ts";
import { acknowledgeWildcards } from "./acknowledgements.ts";

/** ARNs of each kind of resource. */
export type ResourceArns = Readonly<Record<Resource, readonly string[]>>;

/** What statements are added to. */
type Grantee = Role | ManagedPolicy;

/** Allow somebody what is called, statement by statement. */
export function grant(grants: readonly Grant[], grantee: Grantee, arns: ResourceArns): void {
  for (const { on, actions } of grants)
    allow(grantee, { actions, resources: arns[on], reason: wildcardReasons[on] });
}

/** Actions on resources, and why their names are not known in full. */
interface Allowance {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly reason?: string | undefined;
}

/** Add a statement to a role or a policy. */
export function allow(grantee: Grantee, { actions, resources, reason }: Allowance): void {
  const statement = new PolicyStatement({ actions: [...actions], resources: [...resources] });
  if ("addToPolicy" in grantee) grantee.addToPolicy(statement);
  else grantee.addStatements(statement);
  if (reason !== undefined) acknowledgeWildcards(grantee, resources, reason);
}

const contentReason =
  "Objects are named by the hash of their content; the folder is one of this bucket that the runtime writes.";

/** Why resources of a kind are granted by the beginning of their names. */
export const wildcardReasons: Readonly<Partial<Record<Resource, string>>> = {
  values: contentReason,
  bundles: contentReason,
  manifests: contentReason,
  "task lists": "Lists are named by execution and epoch; the folder holds nothing else.",
  machines:
    "`kitaru deploy` creates a state machine for each flow and bundle, all under the name of this runtime.",
  "machine executions":
    "Executions of the state machines that are named after this runtime; each has the id of what it runs.",
  secrets:
    "A secret's ARN ends in six random characters, and flows name their secrets; the folder is that of this runtime.",
  parameters: "Flows name their parameters; the folder is that of this runtime.",
};
