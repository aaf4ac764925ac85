import { afterEach, beforeEach, expect, test } from "vitest";
import { flowModule } from "../../test/deployments/project.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { tagVersion } from "../deployments/versions.ts";

let stack: TestStack;

beforeEach(async () => {
  stack = await testStack();
});

afterEach(() => stack.close());

async function deployed(step: string, tag?: string | false): Promise<number> {
  const entry = await flowModule(`
    import { checkpoint, flow } from "kitaru";
    const step = checkpoint("step", (text) => text);
    export const f = flow("gated", async (text) => step(${step}));`);
  const [made] = await stack.client.deployments.deploy({
    entry,
    ...(tag === undefined ? {} : { tag }),
  });
  return made!.version;
}

const invoked = async (id: string): Promise<unknown> =>
  stack.finish(stack.client.deployments.invoke("gated", "text", { id }));

test("a tag passes the gate to a version that does the same, and to no other", async () => {
  const { deployments } = stack.client;
  await deployed("text");
  await invoked("e1");
  await invoked("e2");
  await deployed("text");
  await deployed("text + '!'");
  await expect(
    deployments.tag("gated", "default", { version: 3, gate: true }),
  ).rejects.toMatchObject({
    code: "divergence",
    message: expect.stringContaining(
      "was not moved to version 3: 2 of 2 executions of version 1",
    ) as string,
    details: { checked: 2, diverged: 2, skipped: 0 },
  });
  await expect(
    deployments.tag("gated", "default", { version: 3, gate: { last: 1 } }),
  ).rejects.toThrow("1 of 1 executions");
  expect((await deployments.get("gated")).version).toBe(1);
  expect(await deployments.tag("gated", "default", { version: 2, gate: true })).toEqual({
    flow: "gated",
    tag: "default",
    version: 2,
    previous: 1,
  });
  expect(await deployments.tag("gated", "default", { version: 3, gate: false })).toMatchObject({
    previous: 2,
  });
});

test("a new tag is held against what is the default, and what nothing has is not held against anything", async () => {
  const { deployments } = stack.client;
  await deployed("text", false);
  expect(await deployments.tag("gated", "early", { version: 1, gate: true })).toMatchObject({
    version: 1,
  });
  await deployments.tag("gated", "default", { version: 1 });
  await invoked("e1");
  await deployed("text + '!'");
  await expect(deployments.tag("gated", "canary", { version: 2, gate: true })).rejects.toThrow(
    "1 of 1 executions of version 1",
  );
  expect(await deployments.tag("gated", "canary", { version: 1, gate: true })).toMatchObject({
    version: 1,
  });
  await expect(
    deployments.tag("gated", "canary", { version: 9, gate: true }),
  ).rejects.toMatchObject({
    code: "not_found",
  });
});

test("a tag that somebody else has moved since it was checked stays", async () => {
  await deployed("text", "stable");
  await deployed("text");
  await expect(
    tagVersion(stack.runtime, "gated", "stable", 2, { previous: 2 }),
  ).rejects.toMatchObject({
    code: "conflict",
  });
  expect((await stack.client.deployments.get("gated", { tag: "stable" })).version).toBe(1);
});
