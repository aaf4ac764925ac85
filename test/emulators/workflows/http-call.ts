import { type Value, type ValueMap, isMap, tagged, textOf } from "./value.ts";

/** Longest time a reply is waited for, in seconds; also the default. */
const longest = 1800;

/** What a workflow's service account proves itself with. */
export interface Identity {
  /** An OIDC token for an audience. */
  idToken(audience: string): Promise<string>;
  /** A token for Google's own services. */
  accessToken(): Promise<string>;
}

/** Carry out `http.post` and its like. */
export async function httpCall(
  method: string,
  args: ValueMap,
  { identity, signal }: { readonly identity: Identity; readonly signal: AbortSignal },
): Promise<Value> {
  const { url, timeout = longest, body } = args;
  if (typeof url !== "string" || !/^https?:\/\//.test(url))
    throw tagged("ValueError", `${JSON.stringify(url)} is no URL`);
  if (typeof timeout !== "number" || timeout <= 0 || timeout > longest)
    throw tagged("ValueError", `a timeout of ${JSON.stringify(timeout)} s, more than ${longest}`);
  const over = AbortSignal.timeout(timeout * 1000);
  const headers = await headersOf(args, url, identity);
  try {
    const response = await fetch(url, {
      method,
      headers,
      signal: AbortSignal.any([over, signal]),
      redirect: "manual",
      ...(body === undefined || body === null ? {} : { body: JSON.stringify(body) }),
    });
    const reply = await replyOf(response);
    if (response.status < 400) return reply;
    const message = `HTTP server responded with error code ${response.status}`;
    throw tagged("HttpError", message, { ...reply });
  } catch (error) {
    if (over.aborted) throw tagged("TimeoutError", `no reply within ${timeout} s`);
    signal.throwIfAborted();
    throw connectionError(error);
  }
}

async function headersOf(args: ValueMap, url: string, identity: Identity): Promise<Headers> {
  const { headers = {}, auth, body } = args;
  const sent = new Headers(headers as Record<string, string>);
  if (body !== undefined && body !== null && !sent.has("content-type"))
    sent.set("content-type", "application/json; charset=utf-8");
  sent.set("user-agent", "GoogleCloudWorkflows; (+https://cloud.google.com/workflows/docs)");
  if (!isMap(auth)) return sent;
  const token =
    auth["type"] === "OIDC"
      ? await identity.idToken(textOf(auth["audience"] ?? url))
      : await identity.accessToken();
  sent.set("authorization", `Bearer ${token}`);
  return sent;
}

async function replyOf(response: Response): Promise<ValueMap> {
  const text = await response.text();
  const isJson = /^application\/(?:[\w.+-]+\+)?json/.test(
    response.headers.get("content-type") ?? "",
  );
  return {
    code: response.status,
    headers: Object.fromEntries(response.headers),
    body: isJson && text !== "" ? (JSON.parse(text) as Value) : text,
  };
}

function connectionError(error: unknown): unknown {
  if (!(error instanceof TypeError)) return error;
  const code = (error.cause as { readonly code?: string } | undefined)?.code ?? "";
  const isFailed = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN"].includes(code);
  return tagged(isFailed ? "ConnectionFailedError" : "ConnectionError", `${error.message} ${code}`);
}
