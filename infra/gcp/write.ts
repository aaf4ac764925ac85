import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundleFunctions } from "./function-code.ts";
import { type KitaruRuntimeProps, functionsFolder, kitaruRuntime } from "./kitaru-runtime.ts";

/** Write a runtime into a folder, as `terraform apply` takes it: `main.tf.json` and the source of the functions. */
export function writeRuntime(folder: string, props: KitaruRuntimeProps): void {
  const text = JSON.stringify(kitaruRuntime(props), undefined, 2);
  const source = join(folder, functionsFolder);
  rmSync(source, { recursive: true, force: true }); // what an older version has left
  mkdirSync(source, { recursive: true });
  bundleFunctions(source);
  writeFileSync(join(folder, "main.tf.json"), `${text}\n`);
}
