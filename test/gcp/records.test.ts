import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openFirestore } from "../../adapters/gcp/clients/firestore.ts";
import { FirestoreRecords } from "../../adapters/gcp/records.ts";
import { deletesExpired, describeRecords } from "../../testing/conformance/records.ts";
import { noFirestore, startFirestore } from "../emulators/firestore.ts";
import { type Fate, type FaultProxy, startFaultProxy } from "../emulators/fault-proxy.ts";
import type { Emulator } from "../emulators/server.ts";

describe.skipIf(noFirestore !== undefined)(`Firestore emulator (${noFirestore ?? "found"})`, () => {
  let emulator: Emulator;
  let proxy: FaultProxy;
  beforeAll(async () => {
    emulator = await startFirestore();
    proxy = await startFaultProxy(emulator.endpoint);
  }, 60_000);
  afterAll(async () => {
    await proxy?.close();
    await emulator?.close();
  });
  const open = (endpoint: string): FirestoreRecords => {
    const client = openFirestore({ project: "agents", database: "kitaru-agents", endpoint });
    return new FirestoreRecords({ database: "kitaru-agents", client: async () => client });
  };

  describeRecords("gcp records", {
    open: () => open(emulator.endpoint),
    capabilities: { recordBytes: 1_000_000 },
    skip: { [deletesExpired]: "the database deletes what has expired by itself" },
  });

  test("a write whose reply is lost is recognised, and one that lost to another is not", async () => {
    const store = open(proxy.endpoint);
    const key = { partition: "exec/lost", sort: "head" };
    disturb([{ kind: "lose" }]);
    const created = await store.put({ ...key, body: "1" }, "absent");
    expect(created).toEqual({ ok: true, version: (await store.get(key))?.version });
    const { version } = created as { readonly version: string };
    disturb([{ kind: "lose" }, failure(503, "UNAVAILABLE")]);
    const replaced = await store.put({ ...key, body: "2" }, version);
    expect(replaced).toEqual({ ok: true, version: (await store.get(key))?.version });
    disturb([failure(409, "ABORTED"), failure(429, "RESOURCE_EXHAUSTED")]);
    expect(await store.put({ ...key, body: "3" }, version)).toEqual({ ok: false });
    disturb([{ kind: "lose" }]);
    expect(await store.put({ ...key, body: "3" }, "absent")).toEqual({ ok: false });
    expect((await store.get(key))?.body).toBe("2");
  });

  test("what cannot be done says why, and what to do", async () => {
    const store = open(proxy.endpoint);
    const get = (): Promise<unknown> => store.get({ partition: "p", sort: "s" });
    const message = "The database kitaru-agents does not exist for project agents";
    disturb([failure(404, "NOT_FOUND", message)]);
    await expect(get()).rejects.toThrow(/"kitaru-agents" does not exist .*terraform apply/s);
    disturb([failure(404, "NOT_FOUND", message)]);
    const put = store.put({ partition: "p", sort: "s", body: "" }, "absent");
    await expect(put).rejects.toThrow("does not exist in this project");
    disturb([failure(403, "PERMISSION_DENIED", "missing datastore.entities.get")]);
    await expect(get()).rejects.toThrow(/may not .*gcloud auth application-default login/s);
  });

  /** Let these become of the next requests. */
  function disturb(fates: Fate[]): void {
    proxy.fate = () => fates.shift() ?? { kind: "pass" };
  }
});

function failure(status: number, name: string, message = name): Fate {
  return {
    kind: "answer",
    status,
    body: JSON.stringify([{ error: { code: status, message, status: name } }]),
  };
}
