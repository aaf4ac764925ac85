export { KitaruRuntime, type KitaruRuntimeProps, type TaskSize } from "./kitaru-runtime.ts";
