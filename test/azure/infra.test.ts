import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { metricLine } from "../../adapters/azure/metrics.ts";
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
  { name: "contosoagents", alarmsTo: "GROUP", apiAudience: "api://agents", apiCallers: ["A", "B"] },
  {
    name: "contosoagents",
    alarmsTo: "GROUP",
    monitoring: false,
    apiTenant: "OTHER",
    retentionDays: 30,
  },
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
    ["join(apiCallers, ',')", "join(apiCallers, ';')"],
    ["if (monitoring && !empty(alarmsTo))", "if (!empty(alarmsTo))"],
    [").OverdueExecutions)", ").FailedExecutions)"],
    ["scopes: [insights.id]", "scopes: [workspace.id]"],
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

  test("tells the app for how long executions are kept, and has an endpoint only where it is said who may call it", () => {
    const settings = (given: object): unknown => {
      const { resources } = createFromArm(template, { name: "contosoagents", ...given });
      const app = resources.find((one) => one["type"] === "Microsoft.Web/sites");
      const properties = app?.["properties"] as AppProperties | undefined;
      const values = (properties?.siteConfig.appSettings ?? []).map(
        ({ name, value }) => [name, value] as const,
      );
      return Object.fromEntries(values.filter(([name]) => /_API_|_TENANT$|_RETENTION_/.test(name)));
    };
    expect(settings({})).toEqual({
      KITARU_AZURE_RETENTION_DAYS: "0",
      KITARU_AZURE_API_AUDIENCE: "",
      KITARU_AZURE_TENANT: "TENANT",
      KITARU_AZURE_API_CALLERS: "",
    });
    const api = { apiAudience: "api://agents", apiCallers: ["A", "B"], apiTenant: "OTHER" };
    expect(settings({ ...api, retentionDays: 30 })).toEqual({
      KITARU_AZURE_RETENTION_DAYS: "30",
      KITARU_AZURE_API_AUDIENCE: "api://agents",
      KITARU_AZURE_TENANT: "OTHER",
      KITARU_AZURE_API_CALLERS: "A,B",
    });
  });

  describe("alarms", () => {
    const alarmsOf = (given: object): readonly Alarm[] =>
      createFromArm(template, { name: "contosoagents", ...given }).resources.filter((one) =>
        /scheduledQueryRules|metricAlerts/.test(String(one["type"])),
      ) as unknown as readonly Alarm[];

    test("are there once it is said who is told, those on the log only with a log", () => {
      const names = (given: object): string[] => alarmsOf(given).map(({ name }) => name);
      expect(names({})).toEqual([]);
      expect(names({ alarmsTo: "GROUP", monitoring: false })).toEqual([
        "contosoagents-throttled-storage",
      ]);
      expect(names({ alarmsTo: "GROUP" }).toSorted()).toEqual([
        "contosoagents-failed-executions",
        "contosoagents-failed-functions",
        "contosoagents-overdue-executions",
        "contosoagents-throttled-storage",
      ]);
    });

    test("tell the group, look at what the runtime has, and count by the column they measure", () => {
      const ids = new Set(created.resources.map(({ id }) => id));
      for (const { name, properties } of alarmsOf({ alarmsTo: "GROUP" })) {
        const { actions, scopes, criteria } = properties;
        const unknown = scopes.filter((scope) => !ids.has(scope));
        const misses = criteria.allOf.filter(
          ({ query = "", metricMeasureColumn: column = "" }) => !query.includes(`${column} = `),
        );
        expect({ name, unknown, misses: name.endsWith("-storage") ? [] : misses }).toEqual({
          name,
          unknown: [],
          misses: [],
        });
        expect(JSON.stringify(actions)).toContain("GROUP");
      }
    });

    test.each(["FailedExecutions", "OverdueExecutions"] as const)(
      "find %s in the lines the app writes, by what the query takes of them",
      (metric) => {
        const queries = alarmsOf({ alarmsTo: "GROUP" }).flatMap(({ properties }) =>
          properties.criteria.allOf.flatMap(({ query }) => query ?? []),
        );
        const query = queries.find((one) => one.includes(`.${metric})`)) ?? "";
        const prefix = /startswith "([^"]+)"/.exec(query)?.[1] ?? "none";
        const skipped = Number(/substring\(message, (\d+)\)/.exec(query)?.[1]);
        const line = metricLine(metric, 7);
        expect(line.startsWith(prefix)).toBe(true);
        expect(JSON.parse(line.slice(skipped))).toEqual({ [metric]: 7 });
      },
    );
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

interface AppProperties {
  readonly siteConfig: {
    readonly appSettings: readonly { readonly name: string; readonly value: unknown }[];
  };
}

interface Alarm {
  readonly name: string;
  readonly properties: {
    readonly scopes: readonly string[];
    readonly actions: unknown;
    readonly criteria: {
      readonly allOf: readonly { readonly query?: string; readonly metricMeasureColumn?: string }[];
    };
  };
}

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
