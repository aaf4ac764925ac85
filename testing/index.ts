export { memoryBlobs, memoryRecords, memorySecrets } from "./memory.ts";
export { modelServer } from "./model-server.ts";
export { lastText, scriptedModel } from "./models.ts";
