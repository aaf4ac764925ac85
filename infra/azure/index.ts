export type { ArmParameter, ArmResource, ArmTemplate } from "./arm.ts";
export { runtimeTemplate } from "./template.ts";
