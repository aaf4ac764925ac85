import { readFile } from "node:fs/promises";
import { KitaruClient } from "kitaru";
import { reviewFlow } from "./flow.ts";

const file = process.argv[2] ?? new URL("document.txt", import.meta.url);
const document = await readFile(file, "utf8");
if (process.env["KITARU_DEFAULT_MODEL"] === undefined)
  console.log(
    "No KITARU_DEFAULT_MODEL is set: offline/extract answers with the leading sentences of its prompt.",
  );

const handle = reviewFlow.run({ document });
await handle.started;
console.log(`Execution ${handle.id}`);
const client = new KitaruClient();
for (;;) {
  const { status, calls, pendingWaits } = await client.executions.get(handle.id);
  const [wait] = pendingWaits;
  if (status === "waiting" && wait !== undefined) {
    for (const call of calls) console.log(`  ${call.id.padEnd(16)} ${call.status}`);
    console.log(
      `\nDraft:\n${String(((await client.executions.value(wait.metadata ?? { v: {} })) as { text?: string }).text)}`,
    );
    console.log(`\n${wait.question ?? ""} Nothing runs now. Answer from here or any terminal:`);
    console.log(`  npx kitaru executions input ${handle.id} --value true`);
    break;
  }
  if (status === "failed") await handle.result();
  await new Promise((resolve) => setTimeout(resolve, 50));
}
