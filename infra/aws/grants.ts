import { type IGrantable, PolicyStatement } from "aws-cdk-lib/aws-iam";
import { type FunctionRole, type Resource, permissions } from "../../adapters/aws/permissions.ts";

/** ARNs of each kind of resource. */
export type ResourceArns = Readonly<Record<Resource, readonly string[]>>;

/** Allow a function what its code calls, statement by statement. */
export function grant(role: FunctionRole, grantee: IGrantable, arns: ResourceArns): void {
  for (const { on, actions } of permissions[role])
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({ actions: [...actions], resources: [...arns[on]] }),
    );
}
