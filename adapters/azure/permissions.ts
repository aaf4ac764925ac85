/** A role that Azure defines, by the id it has everywhere (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles). */
export const roleIds = {
  "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
  "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
  "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
  "Storage Queue Data Message Sender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
  "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
  "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
  "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
  "Website Contributor": "de139f84-1756-47ae-9be6-808fbbe84772",
} as const;

/** What a role is given on. */
export type Resource =
  | "account"
  | "table"
  | "index table"
  | "container"
  | "queue"
  | "vault"
  | "insights"
  | "app";

/** One role on one resource. */
export interface Grant {
  readonly on: Resource;
  readonly role: keyof typeof roleIds;
}

/** Who uses a runtime. */
export type Principal = "app" | "caller" | "deployer";

/** What starting, answering and looking at executions takes. */
const calling: readonly Grant[] = [
  { on: "table", role: "Storage Table Data Contributor" },
  { on: "index table", role: "Storage Table Data Contributor" },
  { on: "container", role: "Storage Blob Data Contributor" },
  { on: "queue", role: "Storage Queue Data Message Sender" },
];

/** The roles each of them needs, and no others: the infrastructure grants from this list. */
export const permissions: Readonly<Record<Principal, readonly Grant[]>> = {
  // The host of the functions makes containers, queues and tables of its own beside the runtime's: leases, the history of
  // the instances and the queues they are driven by.
  app: [
    { on: "account", role: "Storage Blob Data Owner" },
    { on: "account", role: "Storage Queue Data Contributor" },
    { on: "account", role: "Storage Table Data Contributor" },
    { on: "vault", role: "Key Vault Secrets User" },
    { on: "insights", role: "Monitoring Metrics Publisher" },
  ],
  caller: calling,
  deployer: [...calling, { on: "app", role: "Website Contributor" }],
};
