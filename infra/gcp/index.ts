export { kitaruRuntime, type KitaruRuntimeProps, type TaskSize } from "./kitaru-runtime.ts";
export type { TerraformConfig, TerraformValue } from "./terraform.ts";
export { writeRuntime } from "./write.ts";
