// Invokes the advance function of a bundle once; prints the bytes it has loaded, before and with the invocation, and how
// long it took until it could be invoked. Usage: loaded.mjs FOLDER EVENT FUNCTION_ARN
import { statSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const [folder, event, invokedFunctionArn] = process.argv.slice(2);
const root = pathToFileURL(`${folder}/`).href;
let bytes = 0;
registerHooks({
  load(url, context, next) {
    if (url.startsWith(root)) bytes += statSync(fileURLToPath(url)).size;
    return next(url, context);
  },
});

const before = performance.now();
const { advance } = await import(`${root}index.mjs`);
const loadMs = performance.now() - before;
const initialBytes = bytes;
const context = { invokedFunctionArn, awsRequestId: "1", getRemainingTimeInMillis: () => 60_000 };
const directive = await advance(JSON.parse(event), context);
process.stdout.write(JSON.stringify({ kind: directive.kind, initialBytes, bytes, loadMs }));
