import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endpointsOf } from "../../adapters/azure/clients/config.ts";
import { type EntityTable, openTable } from "../../adapters/azure/clients/tables.ts";
import { flowShards } from "../../adapters/azure/indexes.ts";
import { resourceNames } from "../../adapters/azure/names.ts";
import { TableRecords } from "../../adapters/azure/records.ts";
import type { Expectation, IndexKeys } from "../../core/ports/records.ts";
import {
  type Azurite,
  connectionString,
  createAccount,
  noAzurite,
  startAzurite,
} from "../emulators/azurite.ts";
import { type FaultProxy, startFaultProxy } from "../emulators/fault-proxy.ts";

describe.skipIf(noAzurite !== undefined)(`azurite (${noAzurite ?? "found"})`, () => {
  let azurite: Azurite;
  let proxy: FaultProxy;
  let table: EntityTable;
  let index: EntityTable;
  let now = Date.now();
  let records: TableRecords;
  let count = 0;

  beforeAll(async () => {
    azurite = await startAzurite();
    await createAccount(azurite.connectionString);
    proxy = await startFaultProxy(new URL(azurite.table).origin);
    const { pathname } = new URL(azurite.table);
    const behind = connectionString({ ...azurite, table: proxy.endpoint + pathname });
    const open = (name: string, connection: string) => () =>
      openTable(name, { connectionString: connection }, endpointsOf("agents", {}));
    table = await open(resourceNames.table, azurite.connectionString)();
    index = await open(resourceNames.indexTable, azurite.connectionString)();
    records = new TableRecords({
      table: open(resourceNames.table, behind),
      indexTable: open(resourceNames.indexTable, behind),
      now: () => now,
    });
  }, 60_000);
  afterAll(async () => {
    await proxy.close();
    await azurite.close();
  });

  const fresh = (): { readonly partition: string; readonly due: string } => {
    count += 1;
    return { partition: `exec/${count}`, due: `due/${count}` };
  };
  const due = (partition: string, sort = "a"): IndexKeys => ({ due: { partition, sort } });
  const put = async (
    partition: string,
    body: string,
    indexes: IndexKeys,
    expected: Expectation = "absent",
  ): Promise<string> => {
    const result = await records.put({ partition, sort: "head", body, indexes }, expected);
    if (!result.ok) throw new Error("the expectation did not hold");
    return result.version;
  };
  const found = async (partition: string): Promise<string[]> => {
    const { items } = await records.listIndex("due", { partition });
    return items.map(({ body }) => body);
  };
  const rowsOf = async (partition: string): Promise<number> => {
    const filter = `PartitionKey eq 'due!${partition.replaceAll("/", "..")}'`;
    return (await index.query({ filter, limit: 100 })).rows.length;
  };
  const is = (method: string, which: string) => (request: { method: string; path: string }) =>
    request.method === method && new RegExp(`/${which}\\b`).test(request.path);
  const whenever = async (
    matches: (request: { method: string; path: string }) => boolean,
    fate: (nth: number) => ReturnType<FaultProxy["fate"]>,
    run: () => Promise<unknown>,
  ): Promise<void> => {
    let nth = 0;
    proxy.fate = (request) => (matches(request) ? fate((nth += 1)) : { kind: "pass" });
    try {
      await run();
    } finally {
      proxy.fate = () => ({ kind: "pass" });
    }
  };
  const refused = { kind: "answer", status: 400, body: "{}" } as const;

  test("an index row is written before its record: what is written is found, whatever is interrupted", async () => {
    const { partition, due: where } = fresh();
    await whenever(
      is("POST", resourceNames.table),
      () => refused,
      () => expect(put(partition, "1", due(where))).rejects.toThrow(/could not write "kitaru"/),
    );
    expect(await rowsOf(where)).toBe(1);
    expect(await found(where)).toEqual([]);
    expect(await records.get({ partition, sort: "head" })).toBeUndefined();
    await whenever(
      (request) => /kitaruindex/.test(request.path) && request.method !== "GET",
      () => refused,
      () => expect(put(partition, "1", due(where))).rejects.toThrow(/write "kitaruindex"/),
    );
    expect(await records.get({ partition, sort: "head" })).toBeUndefined();
  });

  test("a leftover is passed over, and removed when no write can still mean it", async () => {
    const { partition, due: where } = fresh();
    const version = await put(partition, "1", due(where));
    await whenever(
      is("DELETE", resourceNames.indexTable),
      () => refused,
      async () => {
        await put(partition, "2", due(where, "b"), version);
        await records.settled();
      },
    );
    expect(await rowsOf(where)).toBe(2);
    expect(await found(where)).toEqual(["2"]);
    await records.settled();
    expect(await rowsOf(where)).toBe(2);
    now += 2 * 3600_000;
    expect(await found(where)).toEqual(["2"]);
    await records.settled();
    expect(await rowsOf(where)).toBe(1);
  });

  test("a write that was held up for long writes its index rows again", async () => {
    const { partition, due: where } = fresh();
    const filter = `PartitionKey eq 'due!${where.replaceAll("/", "..")}'`;
    await whenever(
      is("POST", resourceNames.table),
      () => {
        now += 2 * 3600_000;
        return { kind: "pass" };
      },
      async () => {
        const writing = put(partition, "1", due(where));
        // somebody takes its row for a leftover meanwhile
        for (;;) {
          const { rows } = await index.query({ filter, limit: 1 });
          const [row] = rows;
          if (row !== undefined && (await index.delete(row))) break;
        }
        await writing;
      },
    );
    expect(await found(where)).toEqual(["1"]);
  });

  test("a write whose reply was lost is recognised, and its index row stays", async () => {
    const { partition, due: where } = fresh();
    let version = "";
    await whenever(
      is("POST", resourceNames.table),
      (nth) => (nth === 1 ? { kind: "lose" } : { kind: "pass" }),
      async () => (version = await put(partition, "1", due(where))),
    );
    await whenever(
      is("PUT", resourceNames.table),
      (nth) => (nth === 1 ? { kind: "lose" } : { kind: "pass" }),
      async () => (version = await put(partition, "2", due(where, "b"), version)),
    );
    await records.settled();
    expect(await found(where)).toEqual(["2"]);
    expect(await rowsOf(where)).toBe(1);
    expect((await records.get({ partition, sort: "head" }))?.version).toBe(version);
  });

  test("a race lost after a lost reply is a race lost", async () => {
    const { partition, due: where } = fresh();
    const version = await put(partition, "1", due(where));
    const attempt = records.put({ partition, sort: "head", body: "mine" }, version);
    await attempt;
    await whenever(
      is("PUT", resourceNames.table),
      (nth) => (nth === 1 ? { kind: "answer", status: 503, body: "{}" } : { kind: "pass" }),
      async () =>
        expect(await records.put({ partition, sort: "head", body: "late" }, version)).toEqual({
          ok: false,
        }),
    );
    expect((await records.get({ partition, sort: "head" }))?.body).toBe("mine");
  });

  test("a loser takes only its own index row away", async () => {
    const { partition, due: where } = fresh();
    const keys = due(where);
    const draft = (body: string) => ({ partition, sort: "head", body, indexes: keys });
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => records.put(draft(String(n)), "absent")),
    );
    await records.settled();
    expect(results.filter(({ ok }) => ok)).toHaveLength(1);
    expect(await rowsOf(where)).toBe(1);
    expect(await found(where)).toHaveLength(1);
  });

  test("a deletion of what has expired that is cut off goes on at the next, and leaves no index row", async () => {
    const { partition } = fresh();
    const flow = { partition: `flow-of-${partition}`, sort: "a" };
    const expiresAt = Math.ceil(now / 1000) * 1000 + 60_000;
    for (const sort of ["head", "j/0", "j/1", "j/2"]) {
      const indexes = sort === "head" ? { flow } : {};
      await records.put({ partition, sort, body: sort, indexes, expiresAt }, "absent");
    }
    const rows = async (): Promise<number> => {
      const filter = `PartitionKey eq '${partition.replaceAll("/", "..")}'`;
      return (await table.query({ filter, limit: 100 })).rows.length;
    };
    const indexRows = async (): Promise<number> => {
      const filter = `p eq '${partition}'`;
      return (await index.query({ filter, limit: 100 })).rows.length;
    };
    expect(await records.deleteExpired(100)).toBe(0);
    expect([await rows(), await indexRows()]).toEqual([4, 2]);
    now = expiresAt;
    await whenever(
      is("DELETE", resourceNames.table),
      (nth) => (nth === 2 ? refused : { kind: "pass" }),
      () => expect(records.deleteExpired(100)).rejects.toThrow(/could not write "kitaru"/),
    );
    expect(await records.list({ partition })).toEqual({ items: [] });
    // the row it is found by is there until nothing else is
    expect(await rows()).toBeGreaterThanOrEqual(1);
    for (let tries = 0; tries < 3; tries++) await records.deleteExpired(100);
    await records.settled();
    expect([await rows(), await indexRows()]).toEqual([0, 0]);
  });

  test("a write that leaves the index keys as they are is one request", async () => {
    const { partition, due: where } = fresh();
    const version = await put(partition, "1", due(where));
    const requests: string[] = [];
    const note = (request: { method: string; path: string }): void =>
      void requests.push(`${request.method} ${request.path.replace(/^\/\w+\/(\w+).*/, "$1")}`);
    proxy.onReply.add(note);
    const second = await put(partition, "2", due(where), version);
    expect(requests).toEqual(["PUT kitaru"]);
    await put(partition, "3", due(where, "b"), second);
    await records.settled();
    proxy.onReply.delete(note);
    expect(requests.slice(1)).toEqual(["PUT kitaruindex", "PUT kitaru", "DELETE kitaruindex"]);
  });

  test("executions of one flow are spread over partitions and listed newest first", async () => {
    const flow = `flow/spread`;
    const many = Array.from({ length: 60 }, (_, n) => String(n).padStart(3, "0"));
    for (const sort of many)
      await put(`exec/spread-${sort}`, sort, { flow: { partition: flow, sort } });
    const filled = await Promise.all(
      Array.from({ length: flowShards }, async (_, n) => {
        const filter = `PartitionKey eq 'flow${n}!flow..spread'`;
        return (await index.query({ filter, limit: 100 })).rows.length;
      }),
    );
    expect(Math.min(...filled)).toBeGreaterThan(0);
    expect(Math.max(...filled)).toBeLessThan(25);
    for (const limit of [1, 7, 60]) {
      const bodies: string[] = [];
      let cursor: string | undefined;
      do {
        const params = { partition: flow, reverse: true, limit, from: "010", to: "050" };
        const page = await records.listIndex("flow", {
          ...params,
          ...(cursor === undefined ? {} : { cursor }),
        });
        bodies.push(...page.items.map(({ body }) => body));
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(bodies).toEqual(many.slice(10, 50).toReversed());
    }
  });

  test("a table that is busy is asked again, a missing one is named", async () => {
    const { partition, due: where } = fresh();
    await whenever(
      () => true,
      (nth) => (nth < 3 ? { kind: "answer", status: 503, body: "{}" } : { kind: "pass" }),
      () => put(partition, "1", due(where)),
    );
    const open = () =>
      openTable("missing", { connectionString: azurite.connectionString }, endpointsOf("a", {}));
    const lost = new TableRecords({ table: open, indexTable: open });
    const message = /"kitaru" does not exist. Create the runtime with the template/;
    await expect(lost.get({ partition, sort: "head" })).rejects.toThrow(message);
    await expect(lost.list({ partition })).rejects.toThrow(message);
    await expect(lost.put({ partition, sort: "head", body: "" }, "absent")).rejects.toThrow(
      message,
    );
  });
});
