import { afterEach, expect, test } from "vitest";

import { flowModule } from "../../test/deployments/project.ts";
import { type TwoStacks, twoStacks } from "../../test/export/memory-stacks.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";
import { ExportedFile, type FilePart, FileWriter } from "./export-file.ts";

let stacks: TwoStacks;
afterEach(() => stacks.close());

const module = `
  import { checkpoint, flow, wait } from "kitaru";
  const large = checkpoint("large", () => "x".repeat(500));
  const approve = wait("approve");
  export const deployed = flow("deployed", async () => {
    const text = await large();
    await approve();
    return text.length;
  });
`;

/** Write a file again with other parts, and checksums that fit them. */
async function rewritten(
  from: string,
  change: (part: FilePart) => FilePart | undefined,
): Promise<string> {
  const source = await ExportedFile.open(from);
  const to = stacks.file();
  const writer = await FileWriter.create(to, source.header);
  for await (const part of source.parts()) {
    const { content, ...header } = change(part) ?? { content: undefined };
    if (content !== undefined) await writer.part(header as FilePart, content);
  }
  await writer.finish();
  return to;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const only =
  (kind: FilePart["part"], change: (part: FilePart) => FilePart | undefined) => (part: FilePart) =>
    part.part === kind ? change(part) : part;
const none = (): undefined => undefined;

const damages: Record<string, [change: (part: FilePart) => FilePart | undefined, says: RegExp]> = {
  "does not hold the execution": [
    only("execution", none),
    /is damaged: it does not hold execution e\./,
  ],
  "does not hold a value of its": [
    only("blob", none),
    /is damaged: it does not hold blobs\/[0-9a-f]{64}\./,
  ],
  "holds another value under that name": [
    only("blob", (part) => ({ ...part, content: text("other") })),
    /is damaged: its blob blobs\/[0-9a-f]{64} is not what its name says\./,
  ],
  "holds a value without a hash in its name": [
    only("blob", (part) => ({ ...part, name: "blobs/none" })),
    /is damaged: its blob blobs\/none is not what its name says\./,
  ],
  "holds something else as the execution": [
    only("execution", (part) => ({ ...part, content: text("{}\n") })),
    /is damaged: it holds an execution that is none\./,
  ],
  "holds no JSON as the execution": [
    only("execution", (part) => ({ ...part, content: text("nonsense\n") })),
    /is damaged: it holds an execution that is none\./,
  ],
  "holds a part of another kind": [
    only("blob", (part) => ({ ...part, part: "other" as "blob" })),
    /is damaged: it holds a line that is not of its format\./,
  ],
  "does not hold the code": [
    only("manifest", none),
    /^KitaruStateError: Execution e has not ended, and its file holds no code of it\. Export it again\./,
  ],
};

test("a file that was written wrong is refused with the reason, and nothing of it is stored", async () => {
  stacks = await twoStacks({ here: { capabilities: { inlineBytes: 64 } } });
  const { here, there, file } = stacks;
  await here.client.deployments.deploy({ entry: await flowModule(module) });
  await here.client.deployments.invoke("deployed", undefined, { id: "e" }).started;
  await here.asks("e", "approve:0");
  const whole = file();
  await here.client.executions.export("e", { file: whole, move: true });
  const said: Record<string, string> = {};
  for (const [what, [change]] of Object.entries(damages)) {
    const damaged = await rewritten(whole, change);
    said[what] = await there.client.executions.import(damaged).then(() => "imported", String);
  }
  expect(said).toEqual(
    Object.fromEntries(
      Object.entries(damages).map(([what, [, says]]) => [what, expect.stringMatching(says)]),
    ),
  );
  expect(there.stored().size).toBe(0);
  await there.client.executions.import(await rewritten(whole, (part) => part));
  await there.asks("e", "approve:0");
});

test("where only deployed versions run, an execution of a flow in source is taken in once it has ended", async () => {
  stacks = await twoStacks({ there: { capabilities: { deployedOnly: true } } });
  const { here, there, file } = stacks;
  const approve = wait("approve");
  const handle = flow("sourced", async () => {
    await approve();
    return "done";
  }).run(undefined, { id: "e" });
  await here.asks("e", "approve:0");
  const open = file();
  await here.client.executions.export("e", { file: open });
  await expect(there.client.executions.import(open, { copy: true })).rejects.toThrow(
    'Execution e runs flow "sourced" from source, and stack "there" runs deployed versions alone.',
  );
  expect(there.stored().size).toBe(0);
  await here.client.executions.input("e", {});
  await handle.result();
  const ended = file();
  await here.client.executions.export("e", { file: ended });
  expect(await there.client.executions.import(ended)).toMatchObject({ version: "local" });
  expect(await there.client.executions.get("e")).toMatchObject({ output: "done" });
});
