/** What a function may be allowed something on. */
export type Resource = "database" | "objects" | "secrets" | "workflows";

/** Permissions on one kind of resource. */
export interface Grant {
  readonly on: Resource;
  readonly permissions: readonly string[];
}

/** Who works in a runtime: its functions, and its workflows themselves. */
export type Role = "advance" | "task" | "sweep" | "api" | "workflows";

/** Documents are read, written and listed; none is ever deleted. */
const documents: Grant = {
  on: "database",
  permissions: [
    "datastore.entities.create",
    "datastore.entities.get",
    "datastore.entities.list",
    "datastore.entities.update",
  ],
};
/** What is there is never written again: without a permission to delete, nothing can be replaced either. */
const objects: Grant = {
  on: "objects",
  // without the right to list, Cloud Storage answers "forbidden" where it means "there is none"
  permissions: ["storage.objects.create", "storage.objects.get", "storage.objects.list"],
};
const secrets: Grant = { on: "secrets", permissions: ["secretmanager.versions.access"] };
/** Start the workflow of an execution, wake it, and ask whether one that owns an execution is still there. */
const driving: Grant = {
  on: "workflows",
  permissions: [
    "workflows.callbacks.send",
    "workflows.executions.create",
    "workflows.executions.get",
  ],
};

/** Everything each of them calls, and nothing else: the infrastructure grants from this list. */
export const permissions: Readonly<Record<Role, readonly Grant[]>> = {
  // child executions, and a parent that waits for this execution
  advance: [documents, objects, secrets, driving],
  // a task looks into the inbox and leaves its outcome
  task: [documents, objects, secrets],
  sweep: [documents, driving],
  api: [documents, objects, driving],
  // one that goes on for another
  workflows: [{ on: "workflows", permissions: ["workflows.executions.create"] }],
};
