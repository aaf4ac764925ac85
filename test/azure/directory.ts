import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A directory that gives tokens for the application `api://agents` of the tenant `t1`. */
export interface Directory {
  readonly keysUrl: string;
  /** A token of an identity, by its object id. */
  token(oid: string): string;
  close(): Promise<void>;
}

/** Start a directory whose keys can be read on this machine. */
export async function startDirectory(): Promise<Directory> {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const keys = [{ ...publicKey.export({ format: "jwk" }), kid: "k1" }];
  const server = createServer((_request, response) => {
    response.end(JSON.stringify({ keys }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    keysUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    token: (oid) => {
      const iss = "https://login.microsoftonline.com/t1/v2.0";
      const exp = Math.floor(Date.now() / 1000) + 600;
      const claims = { aud: "api://agents", tid: "t1", iss, exp, oid };
      const text = `${part({ alg: "RS256", kid: "k1" })}.${part(claims)}`;
      return `${text}.${sign("RSA-SHA256", Buffer.from(text), privateKey).toString("base64url")}`;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
