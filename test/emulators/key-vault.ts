import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Why there can be no vault here; undefined when there can. */
export const noVault: string | undefined = missing();

/** A vault over TLS: its REST interface, as far as reading secrets goes. */
export interface KeyVault {
  readonly endpoint: string;
  /** Certificate that a client has to trust, in PEM. */
  readonly certificate: string;
  /** Values by name; names do not differ by case alone. */
  readonly secrets: Map<string, string>;
  /** Requests that were answered with a value, by name. */
  readonly reads: string[];
  /** Answers the next requests in place of the vault. */
  readonly failures: { readonly status: number; readonly code: string }[];
  close(): Promise<void>;
}

/** Names on one page of a listing: few, so that a listing has several. */
const pageSize = 2;

/** Start a vault on a free port, with a certificate of its own: the SDK sends no token to anything but https. */
export async function startKeyVault(): Promise<KeyVault> {
  const { key, certificate } = selfSigned();
  const vault = { secrets: new Map<string, string>(), reads: [], failures: [] };
  const server = createServer({ key, cert: certificate }, (request, response) => {
    answer(vault, request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    ...vault,
    endpoint: `https://127.0.0.1:${port}`,
    certificate,
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

type VaultState = Pick<KeyVault, "secrets" | "reads" | "failures">;

function answer(vault: VaultState, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams, origin } = new URL(
    request.url ?? "/",
    `https://${request.headers.host}`,
  );
  const reply = (status: number, body: object): void => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  const refuse = (status: number, code: string): void =>
    reply(status, { error: { code, message: code } });
  if (request.headers.authorization !== `Bearer ${vaultToken}`) {
    response.setHeader(
      "www-authenticate",
      'Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"',
    );
    return refuse(401, "Unauthorized");
  }
  const failure = vault.failures.shift();
  if (failure !== undefined) return refuse(failure.status, failure.code);
  const [, collection, name = ""] = pathname.split("/").map(decodeURIComponent);
  if (request.method !== "GET" || collection !== "secrets") return refuse(404, "NotFound");
  if (name === "") return reply(200, pageOf(vault, origin, Number(searchParams.get("from") ?? 0)));
  if (!/^[0-9a-zA-Z-]{1,127}$/.test(name)) return refuse(400, "BadParameter");
  const found = [...vault.secrets].find(([one]) => one.toLowerCase() === name.toLowerCase());
  if (found === undefined) return refuse(404, "SecretNotFound");
  vault.reads.push(found[0]);
  return reply(200, { id: `${origin}/secrets/${found[0]}/1`, value: found[1], attributes });
}

/** The token the vault takes. */
export const vaultToken = "emulated";
const attributes = { enabled: true };

function pageOf({ secrets }: VaultState, origin: string, from: number): object {
  const names = [...secrets.keys()].slice(from, from + pageSize);
  const next = from + pageSize;
  return {
    value: names.map((name) => ({ id: `${origin}/secrets/${name}`, attributes })),
    nextLink:
      next < secrets.size ? `${origin}/secrets?api-version=7.6&from=${String(next)}` : undefined,
  };
}

function selfSigned(): { readonly key: string; readonly certificate: string } {
  const folder = mkdtempSync(join(tmpdir(), "kitaru-vault-"));
  try {
    const [keyFile, file] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
    const args = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    const names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync("openssl", [...args.split(" "), ...names, "-keyout", keyFile, "-out", file], {
      stdio: "ignore",
    });
    return { key: readFileSync(keyFile, "utf8"), certificate: readFileSync(file, "utf8") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function missing(): string | undefined {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "there is no openssl to make a certificate with";
  }
}
