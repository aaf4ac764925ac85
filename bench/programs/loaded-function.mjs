// Asks the function of a bundle once; prints the bytes it has loaded, before and with the request, how long it took until it
// could be asked, and whether Google's client of executions was loaded. Usage: loaded-function.mjs FOLDER TARGET TOKEN BODY
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const [folder, target, token, body] = process.argv.slice(2);
const root = pathToFileURL(`${folder}/`).href;
let bytes = 0;
let hasClient = false;
registerHooks({
  load(url, context, next) {
    if (url.startsWith(root)) {
      const code = readFileSync(fileURLToPath(url), "utf8");
      bytes += Buffer.byteLength(code);
      hasClient ||= code.includes("workflowexecutions.googleapis.com") && code.includes("protobuf");
    }
    return next(url, context);
  },
});

const before = performance.now();
const functions = await import(`${root}index.mjs`);
const loadMs = performance.now() - before;
const initialBytes = bytes;
const request = {
  method: "POST",
  headers: { authorization: `Bearer ${token}` },
  body: JSON.parse(body),
};
const reply = await new Promise((resolve) => {
  let status = 0;
  const json = (value) => resolve({ status, body: value });
  const response = { json, status: (code) => ((status = code), response) };
  void functions[target](request, response);
});
process.stdout.write(JSON.stringify({ reply, initialBytes, bytes, loadMs, hasClient }));
