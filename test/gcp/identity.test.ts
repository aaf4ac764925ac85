import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Callers, refusalOf } from "../../adapters/gcp/identity.ts";
import { type Issuer, startIssuer } from "../emulators/issuer.ts";

const audience = "https://europe-west4-team.cloudfunctions.net/kitaru-agents-advance";
const account = "kitaru-agents-workflows@team.iam.gserviceaccount.com";
const now = Math.floor(Date.now() / 1000);

/** What is wrong with each token, the claims that make it so, and the status it is answered with. */
const wrong: readonly (readonly [string, Readonly<Record<string, unknown>>, number])[] = [
  ["is for another function", { aud: `${audience}-2` }, 401],
  ["is for several", { aud: [audience] }, 401],
  ["has expired", { iat: now - 7200, exp: now - 3600 }, 401],
  ["is not valid yet", { iat: now + 3600, exp: now + 7200 }, 401],
  ["is of another issuer", { iss: "https://issuer.example" }, 401],
  ["has no times", { iat: undefined, exp: undefined }, 401],
  ["is of another account", { email: "stranger@example.com" }, 403],
  ["is of an address nobody has verified", { email_verified: false }, 403],
  ["is of nobody", { email: undefined }, 403],
];

describe("callers of a function", () => {
  let issuer: Issuer;
  beforeAll(async () => {
    issuer = await startIssuer();
  });
  afterAll(() => issuer.close());

  const callers = (change: Partial<Callers> = {}): Callers => ({
    audience,
    accounts: [account],
    isBehindIam: false,
    keysUrl: issuer.endpoint,
    ...change,
  });
  const bearer = (token: string): string => `Bearer ${token}`;
  /** What Cloud Run hands on of a token it has checked. */
  const stripped = (token: string): string =>
    token.replace(/\.[^.]+$/, ".SIGNATURE_REMOVED_BY_GOOGLE");

  test("are those whose token was signed for them and for it", async () => {
    expect(await refusalOf(bearer(issuer.idToken(account, audience)), callers())).toBeUndefined();
    expect(
      await refusalOf(
        bearer(stripped(issuer.idToken(account, audience))),
        callers({ isBehindIam: true }),
      ),
    ).toBeUndefined();
  });

  test("are whoever Cloud Run lets in, where no account is named, and nobody where it lets in everybody", async () => {
    const { accounts: _all, ...anybody } = callers({ isBehindIam: true });
    const token = issuer.idToken("orders@team.iam.gserviceaccount.com", audience);
    expect(await refusalOf(bearer(token), anybody)).toBeUndefined();
    expect(await refusalOf(bearer(stripped(token)), anybody)).toBeUndefined();
    const other = issuer.idToken("orders@team.iam.gserviceaccount.com", "https://other");
    expect(await refusalOf(bearer(other), anybody)).toMatchObject({ status: 401 });
    const open = { ...anybody, isBehindIam: false };
    expect(await refusalOf(bearer(token), open)).toMatchObject({ status: 403 });
  });

  test.each(wrong)("are not those whose token %s", async (_what, claims, status) => {
    const token = issuer.idToken(account, audience, claims);
    expect(await refusalOf(bearer(token), callers())).toMatchObject({ status });
    const removed = await refusalOf(bearer(stripped(token)), callers({ isBehindIam: true }));
    expect(removed).toMatchObject({ status });
    expect(JSON.stringify(removed)).not.toContain(token.slice(0, 40));
  });

  test.each([
    [undefined],
    [""],
    ["Basic dXNlcjpwYXNz"],
    ["Bearer "],
    ["Bearer a.b"],
    ["Bearer a.b.c"],
    ["Bearer a.bnVsbA.SIGNATURE_REMOVED_BY_GOOGLE"],
  ])("are not those who send %j", async (header) => {
    expect(await refusalOf(header, callers())).toMatchObject({ status: 401 });
    expect(await refusalOf(header, callers({ isBehindIam: true }))).toMatchObject({ status: 401 });
  });

  test("are not forgers, nor those who say that Cloud Run has checked them where it does not", async () => {
    expect(await refusalOf(bearer(issuer.forgedToken(account, audience)), callers())).toMatchObject(
      {
        status: 401,
      },
    );
    const token = stripped(issuer.idToken(account, audience));
    expect(await refusalOf(bearer(token), callers())).toMatchObject({ status: 401 });
  });

  test("may be right when the keys cannot be read: it is an error, not a refusal", async () => {
    const token = issuer.idToken(account, audience);
    const nowhere = callers({ keysUrl: "http://127.0.0.1:9" });
    await expect(refusalOf(bearer(token), nowhere)).rejects.toThrow("keys");
  }, 30_000);
});
