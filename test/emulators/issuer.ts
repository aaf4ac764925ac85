import { createSign, generateKeyPairSync } from "node:crypto";
import { startFake } from "./http-fake.ts";
import type { Emulator } from "./server.ts";

/** What a token says beside who it is for; anything can be said otherwise than it should be. */
export type Claims = Readonly<Record<string, unknown>>;

/** A stand-in for Google's issuer of identity tokens: its keys are served on a socket of its own. */
export interface Issuer extends Emulator {
  /** An identity token of a service account. */
  idToken(account: string, audience: string, claims?: Claims): string;
  /** One that another issuer has signed under the same name of a key. */
  forgedToken(account: string, audience: string): string;
}

/** Start it. */
export async function startIssuer(): Promise<Issuer> {
  const [own, other] = [0, 1].map(() => generateKeyPairSync("rsa", { modulusLength: 2048 }));
  const kid = "key-1";
  const pem = String(own?.publicKey.export({ type: "spki", format: "pem" }));
  const emulator = await startFake(() => ({ body: { [kid]: pem } }));
  const sign = (key: typeof own, claims: Claims): string => {
    const part = (value: object): string =>
      Buffer.from(JSON.stringify(value)).toString("base64url");
    const signed = `${part({ alg: "RS256", kid, typ: "JWT" })}.${part(claims)}`;
    const signature = createSign("RSA-SHA256").update(signed);
    return `${signed}.${signature.sign(key?.privateKey ?? "", "base64url")}`;
  };
  return {
    ...emulator,
    idToken: (account, audience, claims = {}) => sign(own, claimsOf(account, audience, claims)),
    forgedToken: (account, audience) => sign(other, claimsOf(account, audience, {})),
  };
}

function claimsOf(email: string, aud: string, claims: Claims): Claims {
  const iat = Math.floor(Date.now() / 1000);
  return {
    iss: "https://accounts.google.com",
    aud,
    azp: email,
    sub: "1234567890",
    email,
    email_verified: true,
    iat,
    exp: iat + 3600,
    ...claims,
  };
}
