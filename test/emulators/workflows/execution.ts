import { randomUUID } from "node:crypto";
import type { Definition } from "./definition.ts";
import { type Identity, httpCall } from "./http-call.ts";
import { Interpreter } from "./interpreter.ts";
import { type Value, type ValueMap, WorkflowError, isMap, tagged, textOf } from "./value.ts";

/** States of an execution, by the API's names. */
export type State = "ACTIVE" | "SUCCEEDED" | "FAILED" | "CANCELLED";

/** What an execution is started with. */
export interface ExecutionParams {
  /** Resource name of its workflow. */
  readonly workflow: string;
  readonly revision: string;
  readonly definition: Definition;
  readonly argument: string;
  readonly serviceAccount: string;
  readonly identity: Identity;
  /** Seconds that pass in one second of `sys.sleep` and of the delays between tries. */
  readonly speed: number;
  /** Address of the service, for the URLs of callbacks. */
  readonly endpoint: () => string;
}

/** One request to a callback endpoint. */
export interface CallbackRequest {
  readonly method: string;
  readonly headers: ValueMap;
  readonly body: Value;
  readonly query: string;
}

interface Callback {
  readonly method: string;
  /** Received, and not awaited so far. */
  kept?: CallbackRequest;
  take?: (request: CallbackRequest) => void;
  expire?: () => void;
}

/** Longest time of an execution, in seconds. */
const longestWait = 365 * 86_400;

/** One execution of a workflow. */
export class Execution {
  readonly name: string;
  readonly argument: string;
  readonly startTime = new Date();
  /** Names of the steps of `main`, in the order they were entered. */
  readonly steps: string[] = [];
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  state: State = "ACTIVE";
  endTime: Date | undefined;
  result: Value | undefined;
  error: { readonly payload: string; readonly context: string } | undefined;
  readonly #params: ExecutionParams;
  readonly #interpreter: Interpreter;
  readonly #callbacks = new Map<string, Callback>();
  readonly #abort = new AbortController();

  constructor(params: ExecutionParams) {
    this.#params = params;
    this.name = `${params.workflow}/executions/${randomUUID()}`;
    this.argument = params.argument;
    const post = (method: string) => (args: ValueMap) =>
      httpCall(method, args, { identity: params.identity, signal: this.#abort.signal });
    this.#interpreter = new Interpreter(params.definition, {
      env: this.#environment(),
      sleep: (seconds) => this.#sleep((seconds / params.speed) * 1000),
      entered: (step, routine) => {
        this.#abort.signal.throwIfAborted();
        if (routine === "main") this.steps.push(step);
      },
      blocking: {
        "http.get": post("GET"),
        "http.post": post("POST"),
        "http.put": post("PUT"),
        "http.patch": post("PATCH"),
        "http.delete": post("DELETE"),
        "sys.sleep": async ({ seconds = 0 }) => {
          await this.#sleep((Number(seconds) / params.speed) * 1000);
          return null;
        },
        "events.create_callback_endpoint": async (args) => this.#createCallback(args),
        "events.await_callback": (args) => this.#await(args),
      },
    });
    this.ended = this.#run();
  }

  /** Steps so far, and the most bytes its variables have had. */
  get used(): { readonly steps: number; readonly bytes: number } {
    return this.#interpreter.used;
  }

  cancel(): void {
    if (this.state !== "ACTIVE") return;
    this.#end("CANCELLED");
    this.#abort.abort(new Error("cancelled"));
  }

  /** Let the time of everything that is awaited be over. */
  expire(): void {
    for (const callback of this.#callbacks.values()) callback.expire?.();
  }

  /** Take a request to one of its endpoints; the HTTP status of the reply. */
  receive(id: string, request: CallbackRequest): 200 | 404 | 405 | 429 {
    const callback = this.#callbacks.get(id);
    if (callback === undefined || this.state !== "ACTIVE") return 404;
    if (callback.method !== request.method) return 405;
    if (callback.take !== undefined) {
      callback.take(request);
      return 200;
    }
    if (callback.kept !== undefined) return 429;
    callback.kept = request;
    return 200;
  }

  async #run(): Promise<void> {
    try {
      const argument = this.argument === "" ? null : (JSON.parse(this.argument) as Value);
      this.result = await this.#interpreter.run(argument);
      this.#end("SUCCEEDED");
    } catch (error) {
      if (this.state !== "ACTIVE") return; // cancelled
      const value = error instanceof WorkflowError ? error.value : String(error);
      this.error = { payload: JSON.stringify(value), context: `in step ${this.steps.at(-1)}` };
      this.#end("FAILED");
    }
  }

  #end(state: State): void {
    this.state = state;
    this.endTime = new Date();
  }

  #environment(): Record<string, string> {
    const [, project = "", , location = "", , workflow = "", , execution = ""] =
      this.name.split("/");
    return {
      GOOGLE_CLOUD_PROJECT_ID: project,
      GOOGLE_CLOUD_PROJECT_NUMBER: "123456789012",
      GOOGLE_CLOUD_LOCATION: location,
      GOOGLE_CLOUD_WORKFLOW_ID: workflow,
      GOOGLE_CLOUD_WORKFLOW_REVISION_ID: this.#params.revision,
      GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID: execution,
      GOOGLE_CLOUD_SERVICE_ACCOUNT_NAME: this.#params.serviceAccount,
    };
  }

  #createCallback({ http_callback_method: method = "POST" }: ValueMap): Value {
    const id = randomUUID();
    this.#callbacks.set(id, { method: textOf(method) });
    return { url: `${this.#params.endpoint()}/v1/${this.name}/callbacks/${id}` };
  }

  async #await({ callback: given, timeout = 43_200 }: ValueMap): Promise<Value> {
    const url = isMap(given) ? textOf(given["url"]) : "";
    const id = url.split("/").at(-1) ?? "";
    const callback = this.#callbacks.get(id);
    if (callback === undefined)
      throw tagged("ValueError", `${url} is no callback endpoint of this execution`);
    if (typeof timeout !== "number" || timeout < 0 || timeout > longestWait)
      throw tagged("ValueError", `a timeout of ${JSON.stringify(timeout)} s`);
    const request = callback.kept ?? (await this.#arrival(callback, timeout));
    delete callback.kept;
    return {
      http_request: {
        body: request.body,
        headers: request.headers,
        method: request.method,
        query: request.query,
        url: `/callbacks/${id}`,
      },
      received_time: new Date().toISOString(),
      type: "HTTP",
    };
  }

  #arrival(callback: Callback, seconds: number): Promise<CallbackRequest> {
    return new Promise<CallbackRequest>((resolve, reject) => {
      const expire = (): void => reject(tagged("TimeoutError", `nothing within ${seconds} s`));
      const timer = setTimeout(expire, Math.min(seconds * 1000, 2 ** 31 - 1));
      timer.unref();
      Object.assign(callback, { take: resolve, expire });
      this.#abort.signal.addEventListener("abort", () => reject(new Error("cancelled")));
    }).finally(() => {
      delete callback.take;
      delete callback.expire;
    });
  }

  async #sleep(ms: number): Promise<void> {
    const { setTimeout: after } = await import("node:timers/promises");
    await after(ms, undefined, { signal: this.#abort.signal });
  }
}
