import { type JsonWebKey, createPublicKey, verify } from "node:crypto";

/** Who may use the api function. */
export interface Callers {
  /** What tokens must be meant for: the application the caller asks a token for. */
  readonly audience: string;
  /** Directory that gives the tokens. */
  readonly tenant: string;
  /** Object ids of the identities that may call. */
  readonly callers: readonly string[];
  /** Where the keys of the directory are. @default those of Microsoft Entra */
  readonly keysUrl?: string;
}

/** Why a caller is turned away. */
export interface Refusal {
  /** 401: not known. 403: known, and not one who may. */
  readonly status: 401 | 403;
  readonly message: string;
}

interface Claims {
  readonly aud?: unknown;
  readonly iss?: unknown;
  readonly tid?: unknown;
  readonly oid?: unknown;
  readonly exp?: unknown;
  readonly nbf?: unknown;
}

type Key = { readonly kid?: string } & JsonWebKey;

/** Difference of clocks that is put up with, in seconds. */
const skewSeconds = 300;
/** Keys are read again for a token of an unknown one, but not more often than this. */
const keysMs = 60_000;

/** Check a caller by the `Authorization` header; undefined: it may call. Throws when the keys cannot be read. */
export async function refusalOf(
  authorization: string | null,
  callers: Callers,
  now: number = Date.now(),
): Promise<Refusal | undefined> {
  const token = /^Bearer (\S+)$/i.exec(authorization ?? "")?.[1];
  const claims = token === undefined ? undefined : await claimsOf(token, callers);
  if (claims === undefined || !isMeant(claims, callers, now / 1000))
    return { status: 401, message: `There is no valid token for ${callers.audience}.` };
  const { oid } = claims;
  if (typeof oid === "string" && callers.callers.includes(oid)) return undefined;
  return { status: 403, message: `The identity ${String(oid)} may not call this.` };
}

/** The claims of a token that is signed by the directory. Only one algorithm counts, whatever the token says. */
async function claimsOf(token: string, callers: Callers): Promise<Claims | undefined> {
  const [head = "", body = "", signature = "", ...rest] = token.split(".");
  const { alg, kid } = parsed(head) as { readonly alg?: unknown; readonly kid?: unknown };
  if (rest.length > 0 || alg !== "RS256" || typeof kid !== "string") return undefined;
  const key = await keyOf(kid, callers);
  if (key === undefined) return undefined;
  const isSigned = verify(
    "RSA-SHA256",
    Buffer.from(`${head}.${body}`),
    createPublicKey({ key, format: "jwk" }),
    Buffer.from(signature, "base64url"),
  );
  return isSigned ? parsed(body) : undefined;
}

function isMeant(
  { aud, iss, tid, exp, nbf }: Claims,
  { audience, tenant }: Callers,
  now: number,
): boolean {
  const issuers: unknown[] = [
    `https://login.microsoftonline.com/${tenant}/v2.0`,
    `https://sts.windows.net/${tenant}/`,
  ];
  const isInTime =
    typeof exp === "number" &&
    now <= exp + skewSeconds &&
    (nbf === undefined || (typeof nbf === "number" && now >= nbf - skewSeconds));
  return aud === audience && issuers.includes(iss) && tid === tenant && isInTime;
}

const known = new Map<string, { readonly at: number; readonly keys: readonly Key[] }>();

async function keyOf(kid: string, { tenant, keysUrl }: Callers): Promise<Key | undefined> {
  const url = keysUrl ?? `https://login.microsoftonline.com/${tenant}/discovery/v2.0/keys`;
  let found = known.get(url);
  const isThere = found?.keys.some((key) => key.kid === kid) === true;
  if (found === undefined || (!isThere && Date.now() - found.at > keysMs)) {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    if (!response.ok) throw new Error("The keys that tokens are signed with cannot be read.");
    const { keys } = (await response.json()) as { readonly keys: readonly Key[] };
    found = { at: Date.now(), keys };
    known.set(url, found);
  }
  return found.keys.find((key) => key.kid === kid);
}

function parsed(part: string): object {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
