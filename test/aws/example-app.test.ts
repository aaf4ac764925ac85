import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Project } from "../docs/project.ts";
import { noMoto, startMoto } from "../emulators/moto.ts";
import type { Emulator } from "../emulators/server.ts";
import { deployApp } from "./formation.ts";
import { synthesize } from "./template.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));
const example = join(repository, "examples/aws-review");

describe.skipIf(noMoto !== undefined)(
  `examples/aws-review, as its README says (${noMoto ?? "emulated"})`,
  () => {
    let emulator: Emulator;
    let project: Project;
    const folder = mkdtempSync(join(tmpdir(), "kitaru-app-"));
    beforeAll(async () => {
      emulator = await startMoto();
      Object.assign(process.env, {
        AWS_ENDPOINT_URL: emulator.endpoint,
        AWS_REGION: "us-east-1",
        AWS_ACCESS_KEY_ID: "emulated",
        AWS_SECRET_ACCESS_KEY: "emulated",
      });
      project = await Project.create();
      cpSync(example, project.root, { recursive: true });
      for (const name of ["zod", "@aws-sdk"])
        symlinkSync(
          join(repository, "node_modules", name),
          join(project.root, "node_modules", name),
        );
      const app = join(example, "infra/app.ts");
      await deployApp(emulator.endpoint, synthesize({ app, folder, stack: "review" }));
      await project.run("npx kitaru deploy --stack aws");
    }, 120_000);
    afterAll(async () => {
      await emulator?.close();
      await project?.remove();
      rmSync(folder, { recursive: true, force: true });
    });

    /** What the desk prints, as soon as it has `part`. */
    const printed = async (command: string, part: object): Promise<void> => {
      await expect
        .poll(async () => JSON.parse(await project.run(command)) as unknown, {
          timeout: 40_000,
          interval: 300,
        })
        .toMatchObject(part);
    };

    test.each([
      ["yes", { status: "published", approvedBy: "ann" }],
      ["no", { status: "rejected", by: "ann" }],
    ])(
      "a document is submitted, and %s is what ann says",
      async (said, output) => {
        const id = `memo-${said}`;
        await printed(`node desk.ts submit document.txt ${id}`, { executionId: id });
        await printed(`node desk.ts show ${id}`, { status: "waiting" });
        await printed(`node desk.ts answer ${id} ann ${said}`, { callId: "approve:0" });
        await printed(`node desk.ts show ${id}`, { status: "completed", output });
      },
      120_000,
    );

    test("the desk says what it was not asked", async () => {
      expect(await project.run("node desk.ts approve")).toBe(
        "Say what to do: submit FILE [ID], answer ID NAME yes|no, show ID\n",
      );
      expect(await project.run("node desk.ts show nothing")).toMatch(/^.*nothing.*\n$/);
    }, 60_000);

    test("the same flow on this machine, with nothing but Node", async () => {
      // the process of an isolated checkpoint runs the sources too
      const node = `NODE_OPTIONS="--import=${join(repository, "test/from-source.ts")}"`;
      const flow = "flows/review.ts:review --stack local --id here";
      const input = JSON.stringify({ document: "Two offers came in. One is 4,000." });
      expect(await project.run(`${node} npx kitaru run ${flow} --input '${input}'`)).toContain(
        "Publish this summary?",
      );
      const value = JSON.stringify({ approved: true, by: "ben" });
      expect(
        await project.run(`${node} npx kitaru executions input here --value '${value}'`),
      ).toContain('"approvedBy": "ben"');
    }, 60_000);
  },
);
