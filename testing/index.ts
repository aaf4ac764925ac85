export {
  type MemoryBackend,
  type MemoryBackendOptions,
  memoryBackend,
  memoryCapabilities,
} from "./backend.ts";
export { type VirtualClock, type VirtualClockOptions, virtualClock } from "./clock.ts";
export {
  type CrashMode,
  type CrashOptions,
  type CrashReplay,
  type CrashReport,
  crashEverywhere,
} from "./crash-everywhere.ts";
export { memoryBlobs, memoryRecords, memorySecrets } from "./memory.ts";
export {
  type ModelReply,
  type ModelRequest,
  type ModelServer,
  type ModelServerOptions,
  modelServer,
} from "./model-server.ts";
export {
  type Script,
  type ScriptedAnswer,
  type ScriptedModel,
  lastText,
  scriptedModel,
} from "./models.ts";
export {
  type MemoryOrchestrator,
  type MemoryOrchestratorOptions,
  type OrchestratorFaults,
  memoryOrchestrator,
} from "./orchestrator.ts";
export {
  type Answers,
  type AskedWait,
  type TestReplayOptions,
  type TestRunOptions,
  type TestStack,
  type TestStackOptions,
  testStack,
} from "./test-stack.ts";
