import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { local } from "../../adapters/local/index.ts";
import { KitaruClient, checkpoint, configure, flow } from "../../core/index.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";

const folder = mkdtempSync(join(tmpdir(), "kitaru-retention-"));
const dayMs = 86_400_000;
const square = checkpoint("square", (n: number) => n * n);
const squared = flow("squared", async (n: number) => square(n));

beforeAll(() => {
  configure({ config: { stacks: { local: local({ folder, retentionDays: 30 }) } } });
});
afterAll(async () => {
  vi.restoreAllMocks();
  await closeStacks();
  rmSync(folder, { recursive: true });
});

test("an ended execution is gone after the retention, and the next sweep deletes it", async () => {
  const client = new KitaruClient();
  expect(await squared.run(3, { id: "old" }).result()).toBe(9);
  const { host, backend } = await openStack("local");
  await vi.waitFor(
    async () => {
      const { items } = await backend.records.list({ partition: "exec/old" });
      expect(items.filter(({ expiresAt }) => expiresAt === undefined)).toEqual([]);
    },
    { timeout: 20_000 },
  );
  const { endedAt } = await client.executions.get("old");
  const rows = () => {
    const database = new DatabaseSync(join(folder, "kitaru.db"), { readOnly: true });
    const found = database.prepare("SELECT sort FROM records WHERE partition = 'exec/old'").all();
    database.close();
    return found.length;
  };
  const now = vi.spyOn(Date, "now");
  now.mockReturnValue((endedAt?.getTime() ?? 0) + 30 * dayMs - 1000);
  expect((await client.executions.get("old")).output).toBe(9);
  now.mockReturnValue((endedAt?.getTime() ?? 0) + 30 * dayMs + 1000);
  await expect(client.executions.get("old")).rejects.toMatchObject({ code: "not_found" });
  expect(await client.executions.list()).toMatchObject([]);
  expect(rows()).toBeGreaterThan(1);
  await host.sweep();
  expect(rows()).toBe(0);
  now.mockRestore();
  expect(await squared.run(4, { id: "old" }).result()).toBe(16);
}, 60_000);

test("a retention that is no number of days is refused", () => {
  for (const retentionDays of [0, -1, Number.NaN])
    expect(() => local({ retentionDays })).toThrow(
      `local(): \`retentionDays\` is ${retentionDays}. It must be a number of days above 0`,
    );
});
