import { type FakeReply, refusal, startFake } from "./http-fake.ts";
import type { Emulator } from "./server.ts";

/** A stand-in for Secret Manager on a socket of its own. */
export interface SecretManager extends Emulator {
  /** Add a version to a secret. */
  put(name: string, text: string): void;
  /** Reads of values so far. */
  reads(): number;
}

/** Secrets on a page of a list. */
const pageSize = 3;

/** Start it for one project, without secrets. */
export async function startSecretManager(project: string): Promise<SecretManager> {
  const versions = new Map<string, string[]>();
  let reads = 0;
  const emulator = await startFake(({ path, query }) => {
    const root = `/v1/projects/${project}/secrets`;
    if (path === root) return list([...versions.keys()], query);
    const name = /^\/([^/]+)\/versions\/latest:access$/.exec(path.slice(root.length))?.[1];
    if (name === undefined || !path.startsWith(root)) return refusal(404, "NOT_FOUND");
    reads += 1;
    const text = versions.get(name)?.at(-1);
    if (text === undefined) return refusal(404, "NOT_FOUND", `Secret [${name}] not found`);
    return { body: { payload: { data: Buffer.from(text).toString("base64") } } };

    function list(names: readonly string[], wanted: URLSearchParams): FakeReply {
      const part = (wanted.get("filter") ?? "").replace(/^name:/, "");
      const found = names.filter((one) => one.includes(part)).toSorted();
      const from = Number(wanted.get("pageToken") ?? 0);
      const secrets = found.slice(from, from + pageSize).map((one) => ({
        name: `projects/${project}/secrets/${one}`,
      }));
      const next = from + pageSize;
      return { body: { secrets, ...(next < found.length ? { nextPageToken: String(next) } : {}) } };
    }
  });
  return {
    ...emulator,
    put: (name, text) => versions.set(name, [...(versions.get(name) ?? []), text]),
    reads: () => reads,
  };
}
