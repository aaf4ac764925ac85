const execution = /projects\/[^/]+\/locations\/[^/]+\/workflows\/[^/]+\/executions\/[^/]+/;
const callback = new RegExp(`^/v1/${execution.source}/callbacks/[^/]+$`);
const detached = /^detached:(\d+):(.*)$/;

/** What an owner or a wake token says. */
export type Token =
  /** The callback endpoint at this path of Workflows; `execution` awaits it. */
  | { readonly kind: "callback"; readonly path: string; readonly execution: string }
  /** Nothing awaits: this execution of a workflow has ended, and another one has to be started. */
  | { readonly kind: "detached"; readonly execution: string; readonly generation: number }
  /** An execution of a workflow, as the owner of advances. */
  | { readonly kind: "execution"; readonly execution: string };

/** The token of an execution that nothing awaits: what drove it, and which start of its orchestration that was. */
export function detachedToken(workflow: string, generation: number): string {
  return `detached:${generation}:${workflow}`;
}

/**
 * Read a token; undefined when it is none of this stack's kind. Of a callback's URL the path alone is kept: calls go to
 * Workflows, wherever a URL may point.
 */
export function readToken(token: string): Token | undefined {
  const [, generation, name = ""] = detached.exec(token) ?? [];
  if (generation !== undefined)
    return isExecution(name)
      ? { kind: "detached", execution: name, generation: Number(generation) }
      : undefined;
  if (isExecution(token)) return { kind: "execution", execution: token };
  const path = URL.canParse(token) ? new URL(token).pathname : "";
  const [awaiting] = execution.exec(path) ?? [];
  if (awaiting === undefined || !callback.test(path)) return undefined;
  return { kind: "callback", path, execution: awaiting };
}

/** Resource name of the workflow an execution is of. */
export function workflowOf(name: string): string {
  return name.slice(0, name.indexOf("/executions/"));
}

function isExecution(name: string): boolean {
  return new RegExp(`^${execution.source}$`).test(name);
}
