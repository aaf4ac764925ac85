import type { OAuth2Client } from "google-auth-library";
import { authLibrary } from "./sdk.ts";

/** Who may call a function. */
export interface Callers {
  /** What identity tokens must be meant for: the function's URL. */
  readonly audience: string;
  /** E-mail addresses of service accounts; absent: whoever Cloud Run lets in, and nobody where it lets in everybody. */
  readonly accounts?: readonly string[];
  /**
   * Whether Cloud Run lets in only callers that it has authenticated. It checks the signature of their tokens and then takes it
   * away (https://cloud.google.com/run/docs/authenticating/service-to-service), so that it cannot be checked again.
   */
  readonly isBehindIam: boolean;
  /** Where the keys of the issuer are. @default Google's */
  readonly keysUrl?: string;
}

/** Why a caller is turned away. */
export interface Refusal {
  /** 401: not known. 403: known, and not the one who may. */
  readonly status: 401 | 403;
  readonly message: string;
}

interface Claims {
  readonly iss?: string;
  readonly aud?: unknown;
  readonly exp?: number;
  readonly iat?: number;
  readonly email?: string | undefined;
  readonly email_verified?: boolean | undefined;
}

const issuers = ["https://accounts.google.com", "accounts.google.com"];
const removedSignature = "SIGNATURE_REMOVED_BY_GOOGLE";
/** Difference of clocks that is put up with, in seconds: that of the library. */
const skewSeconds = 300;

/** Check the caller of a function by the `Authorization` header; undefined: it may call. */
export async function refusalOf(
  authorization: string | undefined,
  callers: Callers,
): Promise<Refusal | undefined> {
  const token = /^Bearer (\S+)$/i.exec(authorization ?? "")?.[1];
  if (token === undefined)
    return { status: 401, message: "There is no identity token in the Authorization header." };
  let claims: Claims;
  try {
    claims = await claimsOf(token, callers);
  } catch (error) {
    if (error instanceof UnknownCaller) return { status: 401, message: error.message };
    throw error;
  }
  const { email = "", email_verified: isVerified = false } = claims;
  const { accounts, isBehindIam } = callers;
  // anybody can have a token of Google's for any audience: it is no right to call
  const mayCall = accounts === undefined ? isBehindIam : isVerified && accounts.includes(email);
  if (mayCall) return undefined;
  return { status: 403, message: `"${email}" is not the service account that may call this.` };
}

class UnknownCaller extends Error {}

async function claimsOf(token: string, callers: Callers): Promise<Claims> {
  if (token.endsWith(`.${removedSignature}`) && callers.isBehindIam)
    return checkedClaims(token, callers);
  return verifiedClaims(token, callers);
}

const verifiers = new Map<string, Promise<OAuth2Client>>();

/** The claims of a token whose signature, times, issuer and audience are right. */
async function verifiedClaims(token: string, callers: Callers): Promise<Claims> {
  const { keysUrl = "", audience } = callers;
  const known = verifiers.get(keysUrl) ?? openVerifier(keysUrl);
  verifiers.set(keysUrl, known);
  const verifier = await known;
  try {
    await verifier.getFederatedSignonCertsAsync();
  } catch (cause) {
    // whoever it is may be right: the request can be sent again
    throw new Error("The keys that identity tokens are signed with cannot be read.", { cause });
  }
  try {
    const ticket = await verifier.verifyIdToken({ idToken: token, audience });
    return ticket.getPayload() ?? {};
  } catch {
    // the library's message repeats the token
    throw new UnknownCaller(`The identity token is not a valid one for ${audience}.`);
  }
}

async function openVerifier(keysUrl: string): Promise<OAuth2Client> {
  const { OAuth2Client } = await authLibrary();
  const endpoints = keysUrl === "" ? {} : { oauth2FederatedSignonPemCertsUrl: keysUrl };
  return new OAuth2Client({ endpoints });
}

/** The claims of a token whose signature Cloud Run has checked. */
function checkedClaims(token: string, { audience }: Callers): Claims {
  const claims = payloadOf(token);
  const { iss = "", aud, exp = 0, iat = Infinity } = claims;
  const now = Date.now() / 1000;
  if (now > exp + skewSeconds || now < iat - skewSeconds)
    throw new UnknownCaller("The identity token has expired, or is not valid yet.");
  if (!issuers.includes(iss) || aud !== audience)
    throw new UnknownCaller(`The identity token is not a valid one for ${audience}.`);
  return claims;
}

function payloadOf(token: string): Claims {
  try {
    const claims: unknown = JSON.parse(
      Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"),
    );
    return typeof claims === "object" && claims !== null ? claims : {};
  } catch {
    return {};
  }
}
