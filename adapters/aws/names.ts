import { createHash } from "node:crypto";

/** What a flow's state machine is called: one for each deployed bundle, so that what runs keeps its own. */
export function machineName(stack: string, flow: string, bundle: string): string {
  return fitted(`${stack}-${flow}`, 80 - 13, `-${bundle.slice(0, 12)}`);
}

/**
 * The sequential owner of an execution's advances, and the name its machine's execution is started under.
 * The same for the same generation, so that a doubled start is one.
 */
export function ownerName(executionId: string, generation: number): string {
  // 80 characters at the most; renewals append the epoch at which they were made
  return fitted(executionId, 80 - 22, `-${generation}`);
}

/** The generation of an owner of that name. */
export function generationOf(owner: string): number {
  return Number(/-(\d+)$/.exec(owner)?.[1]);
}

/** Names of Step Functions hold letters, digits, `-` and `_`; anything else, or too much, is told apart by a hash. */
function fitted(name: string, longest: number, end: string): string {
  if (/^[\w-]+$/.test(name) && name.length <= longest) return name + end;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 16);
  return `${name.replaceAll(/[^\w-]+/g, "-").slice(0, longest - 17)}-${hash}${end}`;
}

/** ARN of a state machine in the account and region of one of the runtime's functions. */
export function machineArn(functionArn: string, name: string): string {
  const [, partition, , region, account] = functionArn.split(":");
  return `arn:${partition}:states:${region}:${account}:stateMachine:${name}`;
}
