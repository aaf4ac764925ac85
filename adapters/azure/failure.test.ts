import { expect, test } from "vitest";
import { isKitaruError } from "../../core/errors.ts";
import { serviceError } from "./failure.ts";
import { azurePackages, onDemand } from "./sdk.ts";

const told = (error: object): string =>
  serviceError(Object.assign(new Error("said"), error), { what: "It failed", missing: "kitaru" })
    .message;

test("each kind of failure says what to do", () => {
  expect(told({ details: { odataError: { code: "TableNotFound" } } })).toMatch(
    /"kitaru" does not exist. Create the runtime/,
  );
  expect(told({ code: "ENOTFOUND" })).toMatch(/does not exist/);
  expect(told({ name: "CredentialUnavailableError" })).toMatch(/no Azure credentials.*az login/);
  expect(told({ statusCode: 403, code: "AuthorizationPermissionMismatch" })).toMatch(
    /this identity may not \(AuthorizationPermissionMismatch\). Give it the roles of a caller/,
  );
  expect(told({ statusCode: 503, code: "ServerBusy" })).toMatch(
    /throttled and stayed so \(ServerBusy/,
  );
  expect(told({ statusCode: 500 })).toBe("It failed: said. It is tried again.");
});

test("a missing SDK is named with the command that installs it, and looked for again", async () => {
  let isInstalled = false;
  const open = onDemand(async () => {
    if (isInstalled) return "client";
    throw Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
  });
  const error: unknown = await open().catch((found: unknown) => found);
  expect(isKitaruError(error) && error.message).toContain(`npm install ${azurePackages.join(" ")}`);
  isInstalled = true;
  expect(await open()).toBe("client");
});
