import { createHash } from "node:crypto";

/** What a flow's workflow is called: one for each deployed bundle, so that what runs keeps its own. */
export function workflowName(stack: string, flow: string, bundle: string): string {
  return fitted(`${stack}-${flow}`, 64 - 13, `-${bundle.slice(0, 12)}`);
}

/** Ids of workflows hold letters, digits, `-` and `_`, at most 64; anything else, or too much, is told apart by a hash. */
function fitted(name: string, longest: number, end: string): string {
  if (/^[\w-]+$/.test(name) && name.length <= longest) return name + end;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 16);
  return `${name.replaceAll(/[^\w-]+/g, "-").slice(0, longest - 17)}-${hash}${end}`;
}

/** Resource name of a workflow. */
export function workflowPath(project: string, region: string, name: string): string {
  return `${locationPath(project, region)}/workflows/${name}`;
}

/** Resource name of the place workflows are in. */
export function locationPath(project: string, region: string): string {
  return `projects/${project}/locations/${region}`;
}
