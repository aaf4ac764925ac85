import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { resourceNames } from "../../adapters/azure/names.ts";
import { permissions, roleIds } from "../../adapters/azure/permissions.ts";
import { runtimeTemplate } from "../../infra/azure/index.ts";
import {
  type Created,
  armParameters,
  createFromArm,
  createFromBicep,
  readBicep,
} from "./templates.ts";

const source = readFileSync(`${import.meta.dirname}/../../infra/azure/runtime.bicep`, "utf8");
const template = runtimeTemplate();
const cases = [
  { name: "contosoagents" },
  { name: "contosoagents", callers: ["ANNA", "BOT"], deployers: ["CARL"] },
  { name: "other", monitoring: false, memoryMb: 512, redundancy: "Standard_LRS", location: "x" },
];

describe("the ARM template and its Bicep twin", () => {
  test.each(cases)("create the same of %o", (given) => {
    const arm = createFromArm(template, given);
    expect(createFromBicep(readBicep(source), given)).toEqual(arm);
    expect(arm.resources.length).toBeGreaterThan(20);
  });

  test("have the same parameters", () => {
    const { parameters } = readBicep(source);
    const declared = parameters.map((one) => ({ ...one, value: undefined }));
    expect(declared).toEqual(armParameters(template));
  });

  test.each([
    ["allowSharedKeyAccess: false", "allowSharedKeyAccess: true"],
    ["parent: blobs\n  name: 'kitaru'", "parent: blobs\n  name: 'kitara'"],
    ["for caller in callers", "for caller in deployers"],
    ["guid(queue.id, caller, queueMessageSender)", "guid(table.id, caller, queueMessageSender)"],
    ["  scope: vault\n", "  scope: account\n"],
    ["= if (monitoring) {\n  scope", "= {\n  scope"],
    ["dependsOn: [blobs]", "dependsOn: [queues]"],
    ["@2023-07-01", "@2022-07-01"],
  ])("a change of one is noticed: %j", (from, to) => {
    expect(source).toContain(from);
    const differs = cases.some((given) => {
      const changed = createFromBicep(readBicep(source.replace(from, to)), given);
      return JSON.stringify(changed) !== JSON.stringify(createFromArm(template, given));
    });
    expect(differs).toBe(true);
  });
});

describe("what a runtime consists of", () => {
  const created = createFromArm(template, {
    name: "contosoagents",
    callers: ["ANNA"],
    deployers: ["CARL"],
  });
  const ofType = (type: string): readonly Readonly<Record<string, unknown>>[] =>
    created.resources.filter((one) => one["type"] === type);
  const namesOf = (type: string): string[] =>
    ofType(type).map((one) => String(one["name"]).split("/").at(-1) ?? "");

  test("holds what the adapter asks for, under its names", () => {
    const { table, indexTable, container, packages, queue, poisonQueue } = resourceNames;
    const account = "Microsoft.Storage/storageAccounts";
    expect(namesOf(`${account}/tableServices/tables`)).toEqual([table, indexTable].toSorted());
    expect(namesOf(`${account}/blobServices/containers`)).toEqual([container, packages].toSorted());
    expect(namesOf(`${account}/queueServices/queues`)).toEqual([queue, poisonQueue].toSorted());
  });

  test("is opened by no key and no password, only over TLS, and what is deleted can be restored", () => {
    expect(ofType("Microsoft.Storage/storageAccounts")[0]).toMatchObject({
      properties: {
        minimumTlsVersion: "TLS1_2",
        supportsHttpsTrafficOnly: true,
        allowBlobPublicAccess: false,
        allowSharedKeyAccess: false,
      },
    });
    expect(ofType("Microsoft.Storage/storageAccounts/blobServices")[0]).toMatchObject({
      properties: { isVersioningEnabled: true, deleteRetentionPolicy: { enabled: true } },
    });
    expect(ofType("Microsoft.KeyVault/vaults")[0]).toMatchObject({
      properties: {
        enableRbacAuthorization: true,
        enableSoftDelete: true,
        enablePurgeProtection: true,
      },
    });
    expect(ofType("Microsoft.Web/sites")[0]).toMatchObject({ properties: { httpsOnly: true } });
    expect(
      ofType("Microsoft.Web/sites/basicPublishingCredentialsPolicies").map(
        (one) => one["properties"],
      ),
    ).toEqual([{ allow: false }, { allow: false }]);
    expect(JSON.stringify(created)).not.toMatch(/AccountKey|listKeys|SharedAccessSignature/);
  });

  test("gives everybody the roles of the list and no others", () => {
    expect(rolesIn(created, "ANNA")).toEqual(listed("caller"));
    expect(rolesIn(created, "CARL")).toEqual(listed("deployer"));
    expect(rolesIn(created, "contosoagents-app")).toEqual(listed("app"));
    // a caller and a deployer have nothing on the whole account, and nothing at all on the vault
    const scopes = ofType("Microsoft.Authorization/roleAssignments")
      .filter((one) => /ANNA|CARL/.test(String(one["name"])))
      .map((one) => String(one["scope"]));
    expect(scopes.filter((scope) => /vaults|storageAccounts\/[^/]*$/.test(scope))).toEqual([]);
  });
});

function listed(who: keyof typeof permissions): string[] {
  return permissions[who].map(({ role }) => roleIds[role]).toSorted();
}

function rolesIn({ resources }: Created, principal: string): string[] {
  return resources
    .filter((one) => one["type"] === "Microsoft.Authorization/roleAssignments")
    .filter((one) => String(one["name"]).split(" ")[1]?.endsWith(principal))
    .map(({ properties }) => (properties as { roleDefinitionId: string }).roleDefinitionId)
    .map((id) => id.split("/").at(-1) ?? "")
    .toSorted();
}
