import { setTimeout as pause } from "node:timers/promises";
import { authLibrary } from "../sdk.ts";
import { type Authorizer, type GcpClientOptions, type Service, baseOf } from "./config.ts";

/** One request to a service. */
export interface RestRequest {
  readonly service: Service;
  /** Path below the service's base URL, with its query. */
  readonly path: string;
  /** @default "GET", or "POST" with a body */
  readonly method?: string;
  /** A JSON value, or bytes. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses that are an answer and no failure. */
  readonly accept?: readonly number[];
  /** Time of one try. @default 10000 */
  readonly timeoutMs?: number;
  /** Tries, the first included. @default 6 */
  readonly tries?: number;
}

/** What a service answered. */
export interface RestReply {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  /** Tries it took: after the first, an earlier one may have been carried out too. */
  readonly tries: number;
}

/** Sends requests to Google's services. */
export interface Rest {
  send(request: RestRequest): Promise<RestReply>;
}

/** A service refused a request for good. `name` is its status, such as `NOT_FOUND`. */
export class GoogleError extends Error {
  readonly status: number;
  readonly tries: number;

  constructor(
    name: string,
    message: string,
    { status, tries }: Pick<RestReply, "status" | "tries">,
  ) {
    super(message);
    this.name = name;
    this.status = status;
    this.tries = tries;
  }
}

/** Longest delay between tries, in milliseconds. Delays double from 100 ms, with full jitter. */
const longestDelayMs = 10_000;
/** Worth another try: throttling, servers in trouble, and transactions that met others. */
const passing: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/**
 * Send requests as JSON over HTTPS, which every one of Google's services speaks: nothing but `fetch` and the library that
 * finds credentials is loaded. Throttling, 5xx, aborted transactions, broken connections and timeouts are tried again.
 * Every request this package sends is conditional, or writes content under its own hash, or is harmless twice, so a
 * repetition after a lost reply is recognised or changes nothing.
 */
export function openRest(options: GcpClientOptions): Rest {
  let opening: Promise<Authorizer> | undefined;
  const authorizer = (): Promise<Authorizer> => {
    opening ??= options.auth === undefined ? defaultAuthorizer() : Promise.resolve(options.auth);
    return opening;
  };
  return {
    send: async (request) => {
      const { base, isGoogle } = baseOf(request.service, options);
      const url = base + request.path;
      const headers = isGoogle
        ? await (await authorizer()).getRequestHeaders(url)
        : { authorization: "Bearer owner" }; // what emulators take for an administrator
      return sendTo(url, request, new Headers(headers));
    },
  };
}

/** The JSON of a reply. */
export function jsonOf<T>({ bytes }: RestReply): T {
  return JSON.parse(new TextDecoder().decode(bytes)) as T;
}

async function defaultAuthorizer(): Promise<Authorizer> {
  const { GoogleAuth } = await authLibrary();
  return new GoogleAuth({ scopes: "https://www.googleapis.com/auth/cloud-platform" });
}

async function sendTo(url: string, request: RestRequest, headers: Headers): Promise<RestReply> {
  const { body, accept = [], tries = 6 } = request;
  for (const [name, value] of Object.entries(request.headers ?? {})) headers.set(name, value);
  if (body !== undefined && !headers.has("content-type"))
    headers.set("content-type", "application/json");
  const sent = {
    method: request.method ?? (body === undefined ? "GET" : "POST"),
    headers,
    ...(body === undefined ? {} : { body: bodyOf(body) }),
  };
  for (let tried = 1; ; tried++) {
    const outcome = await attempt(url, sent, request.timeoutMs ?? 10_000, tried);
    const isLast = tried >= tries;
    if ("status" in outcome) {
      if (outcome.status < 400 || accept.includes(outcome.status)) return outcome;
      const error = errorOf(outcome);
      if (isLast || !isPassing(error)) throw error;
    } else if (isLast) throw outcome.error;
    await pause(delayMs(tried, "headers" in outcome ? outcome.headers : undefined));
  }
}

async function attempt(
  url: string,
  sent: RequestInit,
  timeoutMs: number,
  tries: number,
): Promise<RestReply | { readonly error: unknown }> {
  try {
    const reply = await fetch(url, {
      ...sent,
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    const bytes = new Uint8Array(await reply.arrayBuffer());
    return { status: reply.status, headers: reply.headers, bytes, tries };
  } catch (cause) {
    return { error: unreached(cause, url, tries) };
  }
}

function unreached(cause: unknown, url: string, tries: number): GoogleError {
  const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const why = reason instanceof Error ? reason.message : String(reason);
  const error = new GoogleError("UNREACHED", `${new URL(url).host}: ${why}`, { status: 0, tries });
  error.cause = cause;
  return error;
}

function bodyOf(body: unknown): Uint8Array<ArrayBuffer> | string {
  return body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body);
}

/** Whether another try may succeed: throttling, servers in trouble, what met another, and what did not arrive. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof GoogleError)) return false;
  return error.status === 0 || passing.has(error.status) || error.name === "ABORTED";
}

/** Google's services say what failed in one of two forms. */
function errorOf(reply: RestReply): GoogleError {
  let found: unknown;
  try {
    found = jsonOf<unknown>(reply);
  } catch {
    found = undefined; // something before the service answered
  }
  const [first] = Array.isArray(found) ? (found as unknown[]) : [found];
  const { error } = (first ?? {}) as {
    readonly error?: { readonly status?: string; readonly message?: string };
  };
  const name = error?.status ?? statusNames[reply.status] ?? `HTTP_${reply.status}`;
  return new GoogleError(name, error?.message ?? new TextDecoder().decode(reply.bytes), reply);
}

/** Cloud Storage answers with numbers alone. */
const statusNames: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  409: "ALREADY_EXISTS",
  412: "FAILED_PRECONDITION",
  429: "RESOURCE_EXHAUSTED",
  503: "UNAVAILABLE",
};

function delayMs(tried: number, headers: Headers | undefined): number {
  const asked = Number(headers?.get("retry-after") ?? 0) * 1000;
  if (asked > 0) return Math.min(asked, longestDelayMs);
  return Math.random() * Math.min(longestDelayMs, 100 * 2 ** tried);
}
