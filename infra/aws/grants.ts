import { type Role, PolicyStatement } from "aws-cdk-lib/aws-iam";
import { type FunctionRole, type Resource, permissions } from "../../adapters/aws/permissions.ts";
import { acknowledgeWildcards } from "./acknowledgements.ts";

/** ARNs of each kind of resource. */
export type ResourceArns = Readonly<Record<Resource, readonly string[]>>;

/** Allow a function what its code calls, statement by statement. */
export function grant(role: FunctionRole, executor: Role, arns: ResourceArns): void {
  for (const { on, actions } of permissions[role]) {
    allow(executor, { actions, resources: arns[on], reason: wildcardReasons[on] });
  }
}

/** Actions on resources, and why their names are not known in full. */
interface Allowance {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly reason?: string | undefined;
}

/** Add a statement to a role. */
export function allow(role: Role, { actions, resources, reason }: Allowance): void {
  role.addToPolicy(new PolicyStatement({ actions: [...actions], resources: [...resources] }));
  if (reason !== undefined) acknowledgeWildcards(role, resources, reason);
}

/** Why resources of a kind are granted by the beginning of their names. */
export const wildcardReasons: Readonly<Partial<Record<Resource, string>>> = {
  objects:
    "Objects are named by the hash of their content; the folders are those of this bucket that the runtime writes.",
  machines:
    "`kitaru deploy` creates a state machine for each flow and bundle, all under the name of this runtime.",
  "machine executions":
    "Executions of the state machines that are named after this runtime; each has the id of what it runs.",
  secrets:
    "A secret's ARN ends in six random characters, and flows name their secrets; the folder is that of this runtime.",
  parameters: "Flows name their parameters; the folder is that of this runtime.",
};
