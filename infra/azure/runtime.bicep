// What a kitaru runtime consists of, for people who read and deploy Bicep:
//
//   az deployment group create --resource-group agents \
//     --template-file node_modules/kitaru/infra/azure/runtime.bicep --parameters name=contosoagents
//
// It says the same as the ARM template that `node node_modules/kitaru/dist/infra/azure/app.js` prints.

@description('Name of the runtime, and of its storage account, vault and function app: lower-case letters and digits, a letter first, unique in all of Azure.')
@minLength(3)
@maxLength(24)
param name string

@description('Region, one that has the Flex Consumption plan.')
param location string = resourceGroup().location

@description('Memory of an instance of the app, in MB.')
@allowed([512, 2048, 4096])
param memoryMb int = 2048

@description('Most instances of the app at a time.')
@minValue(1)
@maxValue(1000)
param maximumInstances int = 100

@description('How often what is recorded is kept; Standard_LRS where a region has no zones.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param redundancy string = 'Standard_ZRS'

@description('Days for which an ended execution is kept; 0: for ever.')
@minValue(0)
param retentionDays int = 0

@description('Whether the app reports to Application Insights.')
param monitoring bool = true

@description('Id of the action group that alarms tell; without one there are no alarms.')
param alarmsTo string = ''

@description('Application that tokens for the api function are meant for, such as api://agents; without one the app has no endpoint.')
param apiAudience string = ''

@description('Directory that gives those tokens.')
param apiTenant string = subscription().tenantId

@description('Object ids of the identities that may call the api function.')
param apiCallers array = []

@description('Object ids of who may start, answer, cancel and look at executions.')
param callers array = []

@description('Object ids of who may deploy flows too; they need not be among the callers.')
param deployers array = []

// ---- storage: nothing of it is public, no key opens it, and what is deleted can be restored

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  kind: 'StorageV2'
  sku: { name: redundancy }
  properties: {
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: true
    deleteRetentionPolicy: { enabled: true, days: 14 }
    containerDeleteRetentionPolicy: { enabled: true, days: 14 }
  }
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {}
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {}
}

// values, bundles and manifests
resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'kitaru'
  properties: { publicAccess: 'None' }
}

// the package of the app
resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'kitaru-app'
  properties: { publicAccess: 'None' }
}

// the journals of all executions
resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2023-05-01' = {
  parent: tables
  name: 'kitaru'
  properties: {}
}

// executions by flow and by due time
resource indexTable 'Microsoft.Storage/storageAccounts/tableServices/tables@2023-05-01' = {
  parent: tables
  name: 'kitaruindex'
  properties: {}
}

// what processes outside the app ask of it
resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queues
  name: 'kitaru-signals'
  properties: {}
}

resource poisonQueue 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queues
  name: 'kitaru-signals-poison'
  properties: {}
}

// lists of isolated attempts have done their work within the hour
resource expiry 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = {
  parent: account
  name: 'default'
  dependsOn: [blobs]
  properties: {
    policy: {
      rules: [
        {
          name: 'expiry'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['kitaru/tasks/'] }
            actions: {
              baseBlob: { delete: { daysAfterModificationGreaterThan: 30 } }
              version: { delete: { daysAfterCreationGreaterThan: 30 } }
            }
          }
        }
      ]
    }
  }
}

// ---- secrets

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true
  }
}

// ---- the app's identity and its log

// not the app's shadow, so that it has its roles before the app first starts
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-app'
  location: location
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = if (monitoring) {
  name: '${name}-logs'
  location: location
  properties: { sku: { name: 'PerGB2018' }, retentionInDays: 30 }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = if (monitoring) {
  name: '${name}-insights'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

// ---- alarms on what needs a person, once it is said who is told

resource failedExecutions 'Microsoft.Insights/scheduledQueryRules@2021-08-01' = if (monitoring && !empty(alarmsTo)) {
  name: '${name}-failed-executions'
  location: location
  properties: {
    displayName: '${name}: failed-executions'
    description: 'An execution of the kitaru runtime has failed: kitaru executions list --status failed'
    severity: 2
    enabled: true
    scopes: [insights.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: 'traces | where message startswith "kitaru-metric " | project timestamp, value = toint(parse_json(substring(message, 14)).FailedExecutions) * itemCount | where value > 0'
          timeAggregation: 'Total'
          metricMeasureColumn: 'value'
          operator: 'GreaterThanOrEqual'
          threshold: 1
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true
    actions: { actionGroups: [alarmsTo] }
  }
}

resource overdueExecutions 'Microsoft.Insights/scheduledQueryRules@2021-08-01' = if (monitoring && !empty(alarmsTo)) {
  name: '${name}-overdue-executions'
  location: location
  properties: {
    displayName: '${name}: overdue-executions'
    description: 'The sweep of the kitaru runtime finds executions overdue time after time: has the app as many instances as it needs?'
    severity: 2
    enabled: true
    scopes: [insights.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      allOf: [
        {
          query: 'traces | where message startswith "kitaru-metric " | project timestamp, value = toint(parse_json(substring(message, 14)).OverdueExecutions) * itemCount | where value > 0'
          timeAggregation: 'Maximum'
          metricMeasureColumn: 'value'
          operator: 'GreaterThanOrEqual'
          threshold: 1
          failingPeriods: { numberOfEvaluationPeriods: 4, minFailingPeriodsToAlert: 3 }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true
    actions: { actionGroups: [alarmsTo] }
  }
}

resource failedFunctions 'Microsoft.Insights/scheduledQueryRules@2021-08-01' = if (monitoring && !empty(alarmsTo)) {
  name: '${name}-failed-functions'
  location: location
  properties: {
    displayName: '${name}: failed-functions'
    description: 'Functions of the kitaru runtime fail that nobody waits for: the sweep, or what reads the queue.'
    severity: 2
    enabled: true
    scopes: [insights.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: 'requests | where success == false and name in ("kitaru-sweep", "kitaru-messages") | project timestamp, value = itemCount'
          timeAggregation: 'Total'
          metricMeasureColumn: 'value'
          operator: 'GreaterThanOrEqual'
          threshold: 3
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true
    actions: { actionGroups: [alarmsTo] }
  }
}

resource throttledStorage 'Microsoft.Insights/metricAlerts@2018-03-01' = if (!empty(alarmsTo)) {
  name: '${name}-throttled-storage'
  location: 'global'
  properties: {
    description: 'The storage account of the kitaru runtime is throttled.'
    severity: 2
    enabled: true
    scopes: [account.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'throttled'
          metricNamespace: 'Microsoft.Storage/storageAccounts'
          metricName: 'Transactions'
          dimensions: [
            {
              name: 'ResponseType'
              operator: 'Include'
              values: [
                'ServerBusyError'
                'ClientThrottlingError'
                'ClientAccountRequestThrottlingError'
                'ClientAccountBandwidthThrottlingError'
              ]
            }
          ]
          timeAggregation: 'Total'
          operator: 'GreaterThanOrEqual'
          threshold: 1
        }
      ]
    }
    autoMitigate: true
    actions: [{ actionGroupId: alarmsTo }]
  }
}

// ---- the functions

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: '${name}-plan'
  location: location
  kind: 'functionapp'
  sku: { tier: 'FlexConsumption', name: 'FC1' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      // every connection is one of the identity's
      appSettings: [
        { name: 'AzureWebJobsStorage__accountName', value: name }
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: identity.properties.clientId }
        { name: 'AZURE_CLIENT_ID', value: identity.properties.clientId }
        { name: 'KITARU_AZURE_NAME', value: name }
        { name: 'KITARU_AZURE_RETENTION_DAYS', value: string(retentionDays) }
        { name: 'KITARU_AZURE_API_AUDIENCE', value: apiAudience }
        { name: 'KITARU_AZURE_TENANT', value: apiTenant }
        { name: 'KITARU_AZURE_API_CALLERS', value: join(apiCallers, ',') }
        {
          name: 'APPLICATIONINSIGHTS_CONNECTION_STRING'
          value: monitoring ? insights.properties.ConnectionString : ''
        }
        {
          name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
          value: 'ClientId=${identity.properties.clientId};Authorization=AAD'
        }
      ]
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${account.properties.primaryEndpoints.blob}kitaru-app'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: memoryMb
        maximumInstanceCount: maximumInstances
      }
      runtime: { name: 'node', version: '22' }
    }
  }
}

// a package is published with a token of the publisher's own; passwords are switched off
resource scmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

resource ftpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

// ---- who may do what

var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var queueMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var tableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
var vaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'
var websiteContributor = 'de139f84-1756-47ae-9be6-808fbbe84772'

// the host of the functions makes containers, queues and tables of its own in the account

resource appBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: account
  name: guid(account.id, identity.id, blobDataOwner)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataOwner)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource appQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: account
  name: guid(account.id, identity.id, queueDataContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource appTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: account
  name: guid(account.id, identity.id, tableDataContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataContributor)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource appSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, identity.id, vaultSecretsUser)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', vaultSecretsUser)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource appMetrics 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (monitoring) {
  scope: insights
  name: guid(insights.id, identity.id, metricsPublisher)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// starting, answering and looking at executions

resource callerRecords 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for caller in callers: {
  scope: table
  name: guid(table.id, caller, tableDataContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataContributor)
    principalId: caller
  }
}]

resource callerIndex 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for caller in callers: {
  scope: indexTable
  name: guid(indexTable.id, caller, tableDataContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataContributor)
    principalId: caller
  }
}]

resource callerBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for caller in callers: {
  scope: container
  name: guid(container.id, caller, blobDataContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    principalId: caller
  }
}]

resource callerSignals 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for caller in callers: {
  scope: queue
  name: guid(queue.id, caller, queueMessageSender)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueMessageSender)
    principalId: caller
  }
}]

// the same, and publishing the app's package

resource deployerRecords 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for deployer in deployers: {
  scope: table
  name: guid(table.id, deployer, tableDataContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataContributor)
    principalId: deployer
  }
}]

resource deployerIndex 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for deployer in deployers: {
  scope: indexTable
  name: guid(indexTable.id, deployer, tableDataContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataContributor)
    principalId: deployer
  }
}]

resource deployerBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for deployer in deployers: {
  scope: container
  name: guid(container.id, deployer, blobDataContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    principalId: deployer
  }
}]

resource deployerSignals 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for deployer in deployers: {
  scope: queue
  name: guid(queue.id, deployer, queueMessageSender)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueMessageSender)
    principalId: deployer
  }
}]

resource deployerApp 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for deployer in deployers: {
  scope: app
  name: guid(app.id, deployer, websiteContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', websiteContributor)
    principalId: deployer
  }
}]

output app string = app.id
