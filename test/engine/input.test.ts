import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { local } from "../../adapters/local/index.ts";
import { checkpoint, configure, flow, wait } from "../../core/index.ts";

test("a flow that changes its input sees the same input on every re-run", async () => {
  const root = await mkdtemp(join(tmpdir(), "kitaru-"));
  configure({ root, config: { stacks: { local: local() } } });
  const count = checkpoint("count_items", (x: number) => x);
  const ask = wait("ask_items");
  const changing = flow("changing_input", async (input: { list: number[] }) => {
    input.list.push(9);
    const seen = await count(input.list.length);
    await ask();
    return seen;
  });
  const handle = changing.run({ list: [1] });
  await expect.poll(() => handle.status()).toBe("waiting");
  await ask.answer(handle.id);
  expect(await handle.result()).toBe(2);
});
