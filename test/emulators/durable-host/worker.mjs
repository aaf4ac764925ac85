// A Functions worker: lends the app the module it registers its functions with, and runs what the host asks for.
// Usage: worker.mjs MAIN; over the channel to its parent: {metadata} of each function, then {id, name, request} in and
// {id, response} or {id, error} out, and {log} for a line that a function writes.
import Module from "node:module";
import { pathToFileURL } from "node:url";

const functions = new Map();
let model;
const core = {
  version: "1.0.0",
  hostVersion: "4.1000.0",
  workerVersion: "3.10.0",
  Disposable: class {
    #dispose;
    constructor(dispose) {
      this.#dispose = dispose;
    }
    dispose() {
      this.#dispose();
    }
  },
  registerFunction(metadata, callback) {
    functions.set(metadata.name, { metadata, callback });
    return new core.Disposable(() => functions.delete(metadata.name));
  },
  registerHook: () => new core.Disposable(() => undefined),
  setProgrammingModel: (given) => {
    model = given;
  },
  getProgrammingModel: () => model,
  log: () => undefined,
};
Module.prototype.require = new Proxy(Module.prototype.require, {
  apply: (target, self, [name, ...rest]) =>
    name === "@azure/functions-core" ? core : Reflect.apply(target, self, [name, ...rest]),
});

let offsetMs = 0;
const realNow = Date.now;
Date.now = () => realNow() + offsetMs;

process.on("message", (message) => {
  if ("offsetMs" in message) offsetMs = message.offsetMs;
  else void answer(message);
});
process.on("disconnect", () => process.exit());

await import(pathToFileURL(process.argv[2]));
for (const { metadata } of functions.values()) process.send({ metadata });
process.send({ isReady: true });

async function answer({ id, name, request }) {
  try {
    const { metadata, callback } = functions.get(name);
    const invocation = { invocationId: id, metadata, request, state: "invocation", log };
    const running = model.getInvocationModel(invocation);
    const { context, inputs } = await running.getArguments();
    const result = await running.invokeFunction(context, inputs, callback);
    const response = await running.getResponse(context, result);
    process.send({ id, response: plain(response) });
  } catch (error) {
    process.send({ id, error: { message: error?.message ?? String(error), stack: error?.stack } });
  }
}

function log(level, category, message) {
  if (category === "user") process.send({ log: message });
  if (level === "error" || level === "critical") process.stderr.write(`${category}: ${message}\n`);
}

/** Bytes would not survive the channel. */
function plain(response) {
  const body = response.returnValue?.http?.body;
  if (body?.bytes !== undefined) {
    body.string = Buffer.from(body.bytes).toString();
    delete body.bytes;
  }
  return response;
}
