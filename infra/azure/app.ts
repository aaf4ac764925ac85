import { runtimeTemplate } from "./template.ts";

// Prints the template of a runtime: `node node_modules/kitaru/dist/infra/azure/app.js > runtime.json`, and then
// `az deployment group create --resource-group … --template-file runtime.json --parameters name=…`.

process.stdout.write(`${JSON.stringify(runtimeTemplate(), undefined, 2)}\n`);
