import { resourceNames } from "../../adapters/azure/names.ts";
import {
  type Grant,
  type Resource,
  permissions,
  roleIds,
} from "../../adapters/azure/permissions.ts";
import {
  type ArmParameter,
  type ArmResource,
  type ArmTemplate,
  type Expression,
  ex,
  format,
  parameter,
  resourceId,
  valueOf,
} from "./arm.ts";
import { alarms } from "./alarms.ts";

/** Write down everything a runtime consists of. Deterministic: the same for the same version of this package. */
export function runtimeTemplate(): ArmTemplate {
  return {
    $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    contentVersion: "1.0.0.0",
    parameters,
    resources: [
      ...storage(),
      vault(),
      identity(),
      ...monitoring(),
      ...alarms({ name, location, insightsId, accountId }),
      plan(),
      app(),
      ...passwords(),
      ...grantsToApp(),
      ...grantsTo("callers", permissions.caller),
      ...grantsTo("deployers", permissions.deployer),
    ],
    outputs: { app: { type: "string", value: valueOf(appId) } },
  };
}

const parameters: Readonly<Record<string, ArmParameter>> = {
  name: {
    type: "string",
    minLength: 3,
    maxLength: 24,
    metadata: {
      description:
        "Name of the runtime, and of its storage account, vault and function app: lower-case letters and digits, a letter first, unique in all of Azure.",
    },
  },
  location: {
    type: "string",
    defaultValue: "[resourceGroup().location]",
    metadata: { description: "Region, one that has the Flex Consumption plan." },
  },
  memoryMb: {
    type: "int",
    defaultValue: 2048,
    allowedValues: [512, 2048, 4096],
    metadata: { description: "Memory of an instance of the app, in MB." },
  },
  maximumInstances: {
    type: "int",
    defaultValue: 100,
    minValue: 1,
    maxValue: 1000,
    metadata: { description: "Most instances of the app at a time." },
  },
  redundancy: {
    type: "string",
    defaultValue: "Standard_ZRS",
    allowedValues: ["Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS"],
    metadata: {
      description: "How often what is recorded is kept; Standard_LRS where a region has no zones.",
    },
  },
  retentionDays: {
    type: "int",
    defaultValue: 0,
    minValue: 0,
    metadata: { description: "Days for which an ended execution is kept; 0: for ever." },
  },
  monitoring: {
    type: "bool",
    defaultValue: true,
    metadata: { description: "Whether the app reports to Application Insights." },
  },
  alarmsTo: {
    type: "string",
    defaultValue: "",
    metadata: {
      description: "Id of the action group that alarms tell; without one there are no alarms.",
    },
  },
  apiAudience: {
    type: "string",
    defaultValue: "",
    metadata: {
      description:
        "Application that tokens for the api function are meant for, such as api://agents; without one the app has no endpoint.",
    },
  },
  apiTenant: {
    type: "string",
    defaultValue: "[subscription().tenantId]",
    metadata: { description: "Directory that gives those tokens." },
  },
  apiCallers: {
    type: "array",
    defaultValue: [],
    metadata: { description: "Object ids of the identities that may call the api function." },
  },
  callers: {
    type: "array",
    defaultValue: [],
    metadata: {
      description: "Object ids of who may start, answer, cancel and look at executions.",
    },
  },
  deployers: {
    type: "array",
    defaultValue: [],
    metadata: {
      description: "Object ids of who may deploy flows too; they need not be among the callers.",
    },
  },
};

const name = parameter("name");
const location = valueOf(parameter("location"));

const account = "Microsoft.Storage/storageAccounts";
const accountId = resourceId(account, name);
const serviceId = (service: string): Expression =>
  resourceId(`${account}/${service}`, name, "default");
const vaultType = "Microsoft.KeyVault/vaults";
const vaultId = resourceId(vaultType, name);
const identityType = "Microsoft.ManagedIdentity/userAssignedIdentities";
const identityId = resourceId(identityType, format`${name}-app`);
const identityOf = (member: string): Expression =>
  ex(`reference(${identityId}, '${identityVersion}').${member}`);
const workspaceType = "Microsoft.OperationalInsights/workspaces";
const workspaceId = resourceId(workspaceType, format`${name}-logs`);
const insightsType = "Microsoft.Insights/components";
const insightsId = resourceId(insightsType, format`${name}-insights`);
const planType = "Microsoft.Web/serverfarms";
const planId = resourceId(planType, format`${name}-plan`);
const appType = "Microsoft.Web/sites";
const appId = resourceId(appType, name);

const storageVersion = "2023-05-01";
const identityVersion = "2023-01-31";
const insightsVersion = "2020-02-02";
const webVersion = "2024-04-01";

/** The account, its services, and what they hold. Nothing of it is public, no key opens it, and what is deleted can be restored. */
function storage(): ArmResource[] {
  const { table, indexTable, container, packages, queue, poisonQueue } = resourceNames;
  const child = (service: string, kind: string, one: string, properties: object): ArmResource => ({
    type: `${account}/${service}/${kind}`,
    apiVersion: storageVersion,
    name: valueOf(ex(`format('{0}/default/${one}', ${name})`)),
    properties,
    dependsOn: [valueOf(serviceId(service))],
  });
  const service = (type: string, properties: object): ArmResource => ({
    type: `${account}/${type}`,
    apiVersion: storageVersion,
    name: valueOf(format`${name}/default`),
    properties,
    dependsOn: [valueOf(accountId)],
  });
  const kept = { enabled: true, days: 14 };
  return [
    {
      type: account,
      apiVersion: storageVersion,
      name: valueOf(name),
      location,
      kind: "StorageV2",
      sku: { name: valueOf(parameter("redundancy")) },
      properties: {
        minimumTlsVersion: "TLS1_2",
        supportsHttpsTrafficOnly: true,
        allowBlobPublicAccess: false,
        allowSharedKeyAccess: false,
        defaultToOAuthAuthentication: true,
      },
    },
    service("blobServices", {
      isVersioningEnabled: true,
      deleteRetentionPolicy: kept,
      containerDeleteRetentionPolicy: kept,
    }),
    service("tableServices", {}),
    service("queueServices", {}),
    ...[container, packages].map((one) =>
      child("blobServices", "containers", one, { publicAccess: "None" }),
    ),
    ...[table, indexTable].map((one) => child("tableServices", "tables", one, {})),
    ...[queue, poisonQueue].map((one) => child("queueServices", "queues", one, {})),
    {
      ...service("managementPolicies", { policy: { rules: [expiry(container)] } }),
      dependsOn: [valueOf(accountId), valueOf(serviceId("blobServices"))],
    },
  ];
}

/** Lists of isolated attempts have done their work within the hour, and old versions of a blob within the month. */
function expiry(container: string): object {
  return {
    name: "expiry",
    enabled: true,
    type: "Lifecycle",
    definition: {
      filters: { blobTypes: ["blockBlob"], prefixMatch: [`${container}/tasks/`] },
      actions: {
        baseBlob: { delete: { daysAfterModificationGreaterThan: 30 } },
        version: { delete: { daysAfterCreationGreaterThan: 30 } },
      },
    },
  };
}

function vault(): ArmResource {
  return {
    type: vaultType,
    apiVersion: "2023-07-01",
    name: valueOf(name),
    location,
    properties: {
      tenantId: "[subscription().tenantId]",
      sku: { family: "A", name: "standard" },
      enableRbacAuthorization: true,
      enableSoftDelete: true,
      enablePurgeProtection: true,
    },
  };
}

/** The app's own identity: not the app's shadow, so that it has its roles before the app first starts. */
function identity(): ArmResource {
  return {
    type: identityType,
    apiVersion: identityVersion,
    name: valueOf(format`${name}-app`),
    location,
  };
}

function monitoring(): ArmResource[] {
  const condition = valueOf(parameter("monitoring"));
  return [
    {
      type: workspaceType,
      apiVersion: "2023-09-01",
      name: valueOf(format`${name}-logs`),
      location,
      condition,
      properties: { sku: { name: "PerGB2018" }, retentionInDays: 30 },
    },
    {
      type: insightsType,
      apiVersion: insightsVersion,
      name: valueOf(format`${name}-insights`),
      location,
      condition,
      kind: "web",
      properties: {
        Application_Type: "web",
        WorkspaceResourceId: valueOf(workspaceId),
        DisableLocalAuth: true,
      },
      dependsOn: [valueOf(workspaceId)],
    },
  ];
}

function plan(): ArmResource {
  return {
    type: planType,
    apiVersion: webVersion,
    name: valueOf(format`${name}-plan`),
    location,
    kind: "functionapp",
    sku: { tier: "FlexConsumption", name: "FC1" },
    properties: { reserved: true },
  };
}

function app(): ArmResource {
  const insights = ex(
    `if(${parameter("monitoring")}, reference(${insightsId}, '${insightsVersion}').ConnectionString, '')`,
  );
  const settings: Readonly<Record<string, Expression | string>> = {
    AzureWebJobsStorage__accountName: valueOf(name),
    AzureWebJobsStorage__credential: "managedidentity",
    AzureWebJobsStorage__clientId: valueOf(identityOf("clientId")),
    AZURE_CLIENT_ID: valueOf(identityOf("clientId")),
    KITARU_AZURE_NAME: valueOf(name),
    KITARU_AZURE_RETENTION_DAYS: valueOf(ex(`string(${parameter("retentionDays")})`)),
    KITARU_AZURE_API_AUDIENCE: valueOf(parameter("apiAudience")),
    KITARU_AZURE_TENANT: valueOf(parameter("apiTenant")),
    KITARU_AZURE_API_CALLERS: valueOf(ex(`join(${parameter("apiCallers")}, ',')`)),
    APPLICATIONINSIGHTS_CONNECTION_STRING: valueOf(insights),
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: valueOf(
      format`ClientId=${identityOf("clientId")};Authorization=AAD`,
    ),
  };
  return {
    type: appType,
    apiVersion: webVersion,
    name: valueOf(name),
    location,
    kind: "functionapp,linux",
    identity: identityMember(),
    properties: {
      serverFarmId: valueOf(planId),
      httpsOnly: true,
      siteConfig: {
        minTlsVersion: "1.2",
        scmMinTlsVersion: "1.2",
        http20Enabled: true,
        appSettings: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
      },
      functionAppConfig: {
        deployment: { storage: packageStorage() },
        scaleAndConcurrency: {
          instanceMemoryMB: valueOf(parameter("memoryMb")),
          maximumInstanceCount: valueOf(parameter("maximumInstances")),
        },
        runtime: { name: "node", version: "22" },
      },
    },
    dependsOn: [accountId, insightsId, identityId, planId].map(valueOf),
  };
}

function identityMember(): object {
  return { type: "UserAssigned", userAssignedIdentities: { [valueOf(identityId)]: {} } };
}

function packageStorage(): object {
  const blobs = ex(`reference(${accountId}, '${storageVersion}').primaryEndpoints.blob`);
  return {
    type: "blobContainer",
    value: valueOf(ex(`format('{0}${resourceNames.packages}', ${blobs})`)),
    authentication: {
      type: "UserAssignedIdentity",
      userAssignedIdentityResourceId: valueOf(identityId),
    },
  };
}

/** A package is published with a token of the publisher's own; passwords are switched off. */
function passwords(): ArmResource[] {
  return ["scm", "ftp"].map((one) => ({
    type: `${appType}/basicPublishingCredentialsPolicies`,
    apiVersion: webVersion,
    name: valueOf(ex(`format('{0}/${one}', ${name})`)),
    properties: { allow: false },
    dependsOn: [valueOf(appId)],
  }));
}

function grantsToApp(): ArmResource[] {
  return permissions.app.map((grant) => ({
    ...grantOf(grant, identityId),
    ...(grant.on === "insights" ? { condition: valueOf(parameter("monitoring")) } : {}),
    properties: {
      roleDefinitionId: valueOf(roleOf(grant)),
      principalId: valueOf(identityOf("principalId")),
      principalType: "ServicePrincipal",
    },
    dependsOn: [valueOf(scopes[grant.on]), valueOf(identityId)],
  }));
}

function grantsTo(who: "callers" | "deployers", grants: readonly Grant[]): ArmResource[] {
  const principal = ex(`${parameter(who)}[copyIndex()]`);
  return grants.map((grant) => ({
    ...grantOf(grant, principal),
    copy: {
      name: `${who}-${grant.on.replaceAll(" ", "-")}`,
      count: valueOf(ex(`length(${parameter(who)})`)),
    },
    properties: { roleDefinitionId: valueOf(roleOf(grant)), principalId: valueOf(principal) },
    dependsOn: [valueOf(scopes[grant.on])],
  }));
}

type GrantMembers = "type" | "apiVersion" | "name" | "scope";

/** Named by what it says, so that it is there once however often the template is deployed. */
function grantOf(grant: Grant, principal: Expression): Pick<ArmResource, GrantMembers> {
  const scope = scopes[grant.on];
  return {
    type: "Microsoft.Authorization/roleAssignments",
    apiVersion: "2022-04-01",
    name: valueOf(ex(`guid(${scope}, ${principal}, '${roleIds[grant.role]}')`)),
    scope: valueOf(scope),
  };
}

function roleOf({ role }: Grant): Expression {
  return ex(
    `subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '${roleIds[role]}')`,
  );
}

const scopes: Readonly<Record<Resource, Expression>> = {
  account: accountId,
  table: resourceId(`${account}/tableServices/tables`, name, "default", resourceNames.table),
  "index table": resourceId(
    `${account}/tableServices/tables`,
    name,
    "default",
    resourceNames.indexTable,
  ),
  container: resourceId(
    `${account}/blobServices/containers`,
    name,
    "default",
    resourceNames.container,
  ),
  queue: resourceId(`${account}/queueServices/queues`, name, "default", resourceNames.queue),
  vault: vaultId,
  insights: insightsId,
  app: appId,
};
