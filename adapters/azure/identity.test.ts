import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Callers, refusalOf } from "./identity.ts";

const own = generateKeyPairSync("rsa", { modulusLength: 2048 });
const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
const server = createServer((_request, response) => {
  const key = own.publicKey.export({ format: "jwk" });
  response.end(JSON.stringify({ keys: [{ ...key, kid: "k1" }] }));
});
let callers: Callers;
beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const keysUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  callers = { audience: "api://agents", tenant: "t1", callers: ["alice"], keysUrl };
});
afterAll(() => server.close());

const now = 1_800_000_000;
const right = {
  aud: "api://agents",
  iss: "https://login.microsoftonline.com/t1/v2.0",
  tid: "t1",
  oid: "alice",
  nbf: now - 10,
  exp: now + 600,
};

function token(
  claims: object,
  { head = {}, key = own.privateKey }: { head?: object; key?: typeof own.privateKey } = {},
): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "RS256", kid: "k1", ...head })}.${part(claims)}`;
  return `${text}.${sign("RSA-SHA256", Buffer.from(text), key).toString("base64url")}`;
}
const status = async (authorization: string | null): Promise<number | undefined> =>
  (await refusalOf(authorization, callers, now * 1000))?.status;

test("one of the callers may call, with either issuer of the directory", async () => {
  expect(await status(`Bearer ${token(right)}`)).toBeUndefined();
  const v1 = { ...right, iss: "https://sts.windows.net/t1/" };
  expect(await status(`Bearer ${token(v1)}`)).toBeUndefined();
});

test("somebody else of the directory may not", async () => {
  expect(await status(`Bearer ${token({ ...right, oid: "mallory" })}`)).toBe(403);
  expect(await status(`Bearer ${token({ ...right, oid: undefined })}`)).toBe(403);
});

test("without a token, or with one that is none, nobody is known", async () => {
  for (const given of [
    null,
    "",
    "Basic abc",
    "Bearer",
    "Bearer abc",
    "Bearer a.b.c",
    "Bearer a.b.c.d",
  ])
    expect(await status(given)).toBe(401);
});

test.each([
  ["of another key", token(right, { key: other.privateKey })],
  ["of a key that is not the directory's", token(right, { head: { kid: "k2" } })],
  ["without an algorithm", token(right, { head: { alg: "none" } })],
  ["of another algorithm", token(right, { head: { alg: "HS256" } })],
  ["for somebody else", token({ ...right, aud: "api://others" })],
  ["of another directory", token({ ...right, iss: "https://login.microsoftonline.com/t2/v2.0" })],
  ["of another tenant", token({ ...right, tid: "t2" })],
  ["that has expired", token({ ...right, exp: now - 301 })],
  ["that never expires", token({ ...right, exp: undefined })],
  ["that is not valid yet", token({ ...right, nbf: now + 301 })],
])("a token %s is none", async (_what, given) => {
  expect(await status(`Bearer ${given}`)).toBe(401);
});

test("a token whose claims were changed is none", async () => {
  const [head, , signature] = token(right).split(".");
  const claims = Buffer.from(JSON.stringify({ ...right, oid: "alice", x: 1 })).toString(
    "base64url",
  );
  expect(await status(`Bearer ${head}.${claims}.${signature}`)).toBe(401);
});
