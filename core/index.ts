export { configure, type ConfigureOptions } from "./stacks.ts";
export {
  defineConfig,
  type KitaruConfig,
  type StackContext,
  type StackDefinition,
} from "./config.ts";
export {
  type ErrorCode,
  KitaruBackendError,
  KitaruCancelledError,
  KitaruContextError,
  KitaruDivergenceError,
  KitaruError,
  KitaruExecutionError,
  KitaruSerializationError,
  KitaruStateError,
  KitaruTimeoutError,
  KitaruUsageError,
  KitaruWaitValidationError,
  NonRetryableError,
  RetryAfterError,
  hasCode,
  isKitaruError,
} from "./errors.ts";
export { load, log, save, type ArtifactType } from "./primitives/artifact.ts";
export {
  checkpoint,
  type Checkpoint,
  type CheckpointCalls,
  type CheckpointOptions,
  type MapOptions,
  type RetryOptions,
} from "./primitives/checkpoint.ts";
export { now, random, uuid } from "./primitives/deterministic.ts";
export {
  flow,
  type Flow,
  type FlowCalls,
  type FlowDeployOptions,
  type FlowInvokeOptions,
  type FlowOptions,
} from "./primitives/flow.ts";
export type { FlowHandle, RunOptions } from "./primitives/handle.ts";
export type { FlowReplayOptions } from "./primitives/replay.ts";
export type { ReplayTarget } from "./primitives/replay-target.ts";
export type { Override } from "./engine/replay/override.ts";
export { checkpointContext } from "./primitives/scope.ts";
export { sleep } from "./primitives/sleep.ts";
export {
  wait,
  type AnswerOptions,
  type Wait,
  type WaitCalls,
  type WaitCallOptions,
  type WaitOptions,
} from "./primitives/wait.ts";
export type { Duration } from "./duration.ts";
export type { ExecutionStatus } from "./journal/head.ts";
export { durableModel } from "./primitives/durable-model.ts";
export { llm, type LlmCalls, type LlmOptions, type LlmSchemaOptions } from "./primitives/llm.ts";
export type { ModelAlias, ModelPrice } from "./ports/model.ts";
export type { Backend, Capabilities } from "./ports/backend.ts";
export type { ArtifactHistoryOptions, KeptArtifact } from "./client/artifact-history.ts";
export type {
  ArtifactChoice,
  ArtifactListOptions,
  Artifacts,
  ReadArtifact,
} from "./client/artifacts.ts";
export { KitaruClient, type ClientOptions } from "./client/client.ts";
export type {
  ComparedExecution,
  Delta,
  DiffCell,
  DiffOptions,
  DiffRow,
  DiffedCall,
  DiffedExecution,
  DiffedUsage,
  DiffedValue,
  Difference,
  ExecutionDiff,
} from "./client/diff.ts";
export type { Deployments } from "./client/deployments.ts";
export type { TagOptions } from "./client/tag-gate.ts";
export type { Driver, Receipt } from "./client/driving.ts";
export type { DeployParams } from "./deployments/deploy.ts";
export type { Deployment, DeploymentSummary } from "./deployments/deployment.ts";
export type { InvokeOptions } from "./deployments/invoke.ts";
export type { VersionChoice } from "./deployments/tags.ts";
export type { MovedTag, RemovedTag } from "./deployments/versions.ts";
export type {
  CheckpointFacts,
  Commit,
  FlowFacts,
  JsonSchema,
  Manifest,
  WaitFacts,
} from "./plan/manifest.ts";
export type {
  ArtifactView,
  AttemptView,
  CallStatus,
  CallView,
  ErrorView,
  Execution,
  ExecutionSummary,
  ImportedView,
  ListedStatus,
  LlmView,
  LogLine,
  ParentView,
  PendingWait,
} from "./client/execution.ts";
export type {
  CallNode,
  EndNode,
  ExecutionGraph,
  GraphEdge,
  GraphNode,
  GraphOptions,
  HandedValue,
  OutsideNode,
} from "./client/graph.ts";
export type { Executions, WaitChoice } from "./client/executions.ts";
export type { ExportOptions, ExportedFacts } from "./client/exporting.ts";
export type { ImportOptions, ImportedFacts } from "./client/importing.ts";
export type {
  CallDivergence,
  CheckedExecution,
  ReplayCheck,
  ReplayCheckOptions,
} from "./client/replay-check.ts";
export type { SourcePlace } from "./client/call-site.ts";
export type { ListOptions } from "./client/listing.ts";
export type { DryRun, DryRunAction, DryRunCall } from "./client/dry-run.ts";
export type {
  DryRunOptions,
  DryRuns,
  ReplayAllOptions,
  ReplayFailure,
  ReplayOneOptions,
  ReplayOptions,
  ReplayResult,
  ReplayResults,
} from "./client/replaying.ts";
export { StoredValue } from "./client/values.ts";
